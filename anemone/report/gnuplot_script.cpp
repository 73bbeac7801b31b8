#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "anemone/report/gnuplot.h"
#include "anemone/report/plain_text.h"

namespace anemone {
namespace {

constexpr int kWidth = 860, kHeight = 480;
constexpr int kRowHeight = 36, kAroundRows = 84;
constexpr int kKeyLine = 21, kAroundKey = 26;

// Okabe and Ito's colours (Color Universal Design, 2008), which colour-blind people tell apart;
// yellow darkened, to be seen on white.
constexpr const char* kColours[] = {"#7f7f7f", "#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#e69f00", "#56b4e9", "#8c8c8c", "#b5a300", "#8f4f73"};
constexpr int kRunColours[] = {1, 2, 3, 4, 5, 6, 8};

// Filled shapes of gnuplot's terminals; the one before each is its outline.
constexpr int kFilled[] = {13, 7, 5, 9, 11, 13, 15};
constexpr int kStrokes[] = {1, 2, 3};

constexpr size_t kLongestText = 60;

// In single quotes gnuplot expands nothing; doubled quotes it does not take everywhere, so quotes
// become others that look alike.
std::string quoted(const std::string& text, size_t limit = kLongestText) {
  std::string result = "'";
  for (const char c : shortened(text, limit)) {
    if (c == '\'' || c == '`') {
      result += "’";
    } else if (c == '\\') {
      result += '/';
    } else {
      result += c;
    }
  }
  return result + "'";
}

// Of runs beyond the last colour, shapes and colours make pairs that are new.
const char* colour(int style) {
  constexpr int kCount = static_cast<int>(std::size(kColours));
  if (style < kCount) return kColours[std::max(style, 0)];
  return kColours[kRunColours[(style - 1) % std::size(kRunColours)]];
}

int shape(const PlotSeries& series) {
  if (series.style == 0) return kFilled[0];
  const int index = series.style - 1;
  if (series.origin == Origin::kPublished) return kStrokes[index % std::size(kStrokes)];
  const int filled = kFilled[1 + index % (std::size(kFilled) - 1)];
  return series.origin == Origin::kSimulated ? filled - 1 : filled;
}

int dashes(Origin origin) {
  return origin == Origin::kMeasured ? 1 : origin == Origin::kSimulated ? 2 : 3;
}

bool drawable(const Plot& plot, double x, double y) {
  return std::isfinite(x) && std::isfinite(y) && (!plot.log_x || x > 0) && (!plot.log_y || y > 0);
}

// --- data blocks ---

std::string data_of(const Plot& plot, const PlotSeries& series) {
  std::string text;
  for (const PlotPoint& p : series.points) {
    if (!drawable(plot, p.x, p.y)) continue;
    const double middle = plot.rows.empty() ? p.y : p.x;
    const bool known = p.low > 0 && p.high >= p.low && std::isfinite(p.high);
    text += fmt::format("{:.9g} {:.9g} {:.9g} {:.9g}\n", p.x, p.y, known ? p.low : middle,
                        known ? p.high : middle);
  }
  return text;
}

std::string data_of(const PlotBoxes& boxes) {
  std::string text;
  for (const PlotBox& box : boxes.boxes) {
    if (!std::isfinite(box.from) || !std::isfinite(box.to)) continue;
    text += fmt::format("{:.9g} {:.9g} {:.9g} {:.9g} {:.9g} {:.9g}\n", (box.from + box.to) / 2,
                        box.row, box.from, box.to, box.row - box.above, box.row + box.below);
  }
  return text;
}

// A script and the plot commands that use its data blocks.
struct Parts {
  std::string data;
  std::vector<std::string> plots;

  void add(const std::string& block, const std::string& how) {
    if (block.empty()) return;
    const std::string name = fmt::format("$data{}", plots.size());
    data += fmt::format("{} << END_OF_DATA\n{}END_OF_DATA\n", name, block);
    plots.push_back(name + " " + how);
  }
};

void add_series(Parts& parts, const Plot& plot, const PlotSeries& series) {
  const std::string title = series.name.empty() ? "notitle" : "title " + quoted(series.name);
  const std::string data = data_of(plot, series);
  const char* rgb = colour(series.style);
  if (series.kind == SeriesKind::kCurve) {
    return parts.add(data, fmt::format("using 1:2 with lines lw 1.5 dt {} lc rgb '{}' {}",
                                       dashes(series.origin), rgb, title));
  }
  if (series.kind == SeriesKind::kRings) {
    return parts.add(
        data, fmt::format("using 1:2 with points pt 6 ps 2.2 lw 1.5 lc rgb '#7f7f7f' {}", title));
  }
  const bool spread = std::any_of(series.points.begin(), series.points.end(),
                                  [](const PlotPoint& p) { return p.high > p.low && p.low > 0; });
  if (spread) {
    parts.add(data, fmt::format("using 1:2:3:4 with {} pt 0 lw 1 lc rgb '{}' notitle",
                                plot.rows.empty() ? "yerrorbars" : "xerrorbars", rgb));
  }
  // Strokes need more of both to be seen as well as shapes.
  const bool strokes = series.origin == Origin::kPublished;
  const double size = series.style == 0 ? 1.1 : strokes ? 1.0 : 0.8;
  parts.add(data,
            fmt::format("using 1:2 with points pt {} ps {} lw {} lc rgb '{}' {}", shape(series),
                        size, strokes ? 2.2 : 1.5, series.style == 0 ? "#000000" : rgb, title));
}

// --- axes ---

std::string axes(const Plot& plot) {
  std::string text = fmt::format("set xlabel {}\n", quoted(plot.x_label, 80));
  if (plot.log_x) text += "set logscale x\n";
  if (plot.log_y) text += "set logscale y\n";
  if (plot.rows.empty()) return text + fmt::format("set ylabel {}\n", quoted(plot.y_label, 80));
  std::string tics;
  for (size_t row = 0; row < plot.rows.size(); ++row) {
    tics += fmt::format("{}{} {}", row == 0 ? "" : ", ", quoted(plot.rows[row], 48), row);
  }
  text += fmt::format("set ytics scale 0 ({})\n", tics);
  text += fmt::format("set yrange [{}:-0.6]\n", static_cast<double>(plot.rows.size()) - 0.4);
  if (!plot.log_x) text += "set xrange [0:*]\n";
  return text;
}

int height_of(const Plot& plot, int key_height) {
  if (plot.rows.empty()) return kHeight;
  // With less, gnuplot leaves out lines of the key.
  const int rows = std::max(static_cast<int>(plot.rows.size()), 3);
  return kAroundRows + key_height + kRowHeight * rows;
}

// --- the key: above the plot, in as many columns as its names leave room for ---

struct Key {
  int lines = 0;
  int height() const { return lines * kKeyLine + kAroundKey; }
};

Key key_of(const Plot& plot) {
  int names = 0;
  size_t longest = 1;
  const auto add = [&](const std::string& name, bool empty) {
    if (name.empty() || empty) return;
    ++names;
    longest = std::max(longest, text_width(shortened(name, kLongestText)));
  };
  for (const PlotBoxes& boxes : plot.boxes) add(boxes.name, boxes.boxes.empty());
  for (const PlotSeries& series : plot.series) add(series.name, series.points.empty());
  constexpr int kLetter = 8, kSample = 60;
  const int columns = std::clamp(kWidth / (static_cast<int>(longest) * kLetter + kSample), 1, 5);
  return {(names + columns - 1) / columns};
}

}  // namespace

std::string gnuplot_script(const Plot& plot) {
  Parts parts;
  for (const PlotBoxes& boxes : plot.boxes) {
    parts.add(data_of(boxes),
              fmt::format("using 1:2:3:4:5:6 with boxxyerror fs solid 0.9 noborder lc rgb '{}' "
                          "title {}",
                          colour(boxes.style), quoted(boxes.name)));
  }
  for (const PlotSeries& series : plot.series) add_series(parts, plot, series);
  const Key key = key_of(plot);
  const int height = height_of(plot, key.height());
  std::string script = fmt::format(
      "set encoding utf8\n"
      "set terminal svg size {},{} noenhanced font 'sans-serif,14' linewidth 1.2\n"
      "set border 3\nset tics nomirror out\n"
      "set grid xtics {} lt 1 lw 0.5 lc rgb '#b0808080'\n"
      "set key at screen 0.01, screen 0.985 left top Left reverse vertical maxrows {} samplen 2 "
      "spacing 1.1\nset tmargin at screen {:.4f}\n",
      kWidth, height, plot.rows.empty() ? "ytics" : "", key.lines,
      1 - static_cast<double>(key.height()) / height);
  script += axes(plot) + parts.data + "plot ";
  for (size_t i = 0; i < parts.plots.size(); ++i) {
    script += (i == 0 ? "" : ", \\\n  ") + parts.plots[i];
  }
  return script + "\n";
}

}  // namespace anemone
