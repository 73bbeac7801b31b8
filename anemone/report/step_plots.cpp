// What starting programs costs, and where a training step goes.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "anemone/report/result_columns.h"
#include "anemone/report/result_plots.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

struct Component {
  const char* name;
  const char* meaning;
  int style;
  bool background;
};

// In the order of the published tables; docs/pipelines.md defines them.
constexpr Component kComponents[] = {
    {"ane", "device programs", 1, false},
    {"io", "copies", 6, false},
    {"cls", "classifier on the host", 5, false},
    {"layers", "layers on the host", 2, false},
    {"elem", "element-wise on the host", 3, false},
    {"rms", "norms on the host", 8, false},
    {"cblas_wait", "waiting for weight gradients", 7, false},
    {"dw", "weight gradients, background", 4, true},
    {"dw_copy", "copies for them, background", 9, true},
};

int row_number(Plot& plot, const std::string& name) {
  const auto found = std::find(plot.rows.begin(), plot.rows.end(), name);
  if (found != plot.rows.end()) return static_cast<int>(found - plot.rows.begin());
  plot.rows.push_back(name);
  return static_cast<int>(plot.rows.size()) - 1;
}

// The names of a row in words: "conv, 2 inputs, weights baked, 64 x 64".
std::string row_name(const BenchResult& result, const ordered_json& row) {
  std::string name;
  for (const Column& column : columns_of(result)) {
    std::string text = cell(row, column);
    if (role_of(result, column) != ColumnRole::kName || text.empty()) continue;
    if (column.field == "weights" && text == "none") continue;
    if (column.field == "inputs") text += text == "1" ? " input" : " inputs";
    if (column.field == "weights") text = "weights " + text;
    if (column.field == "threads") text += " threads";
    const bool second = column.field == "spatial" || column.field == "sequence";
    name += (name.empty() ? "" : second ? " x " : ", ") + text;
  }
  return name;
}

// What a bar is made of: the known components in their order; of others the longest ones.
class Components {
 public:
  Components(Plot& plot, const std::vector<Run>& runs, const std::string& benchmark) : plot_(plot) {
    std::map<std::string, double> others;
    for (const Run& run : runs) {
      for (const RunResult& found : run.results) {
        if (found.result.benchmark == benchmark) count(found.result, others);
      }
    }
    for (const Component& known : kComponents) {
      add(known.name, fmt::format("{}: {}", known.name, known.meaning), known.style);
    }
    std::vector<std::pair<double, std::string>> longest;
    for (const auto& [name, ms] : others) longest.emplace_back(-ms, name);
    std::sort(longest.begin(), longest.end());
    for (size_t i = 0; i < longest.size() && i < std::size(kStyles); ++i) {
      add(longest[i].second, longest[i].second, kStyles[i]);
    }
    plot.boxes.push_back({"other", 0, {}});
  }

  // One bar of components end to end, and one of those in the background below it.
  void add_bars(const ordered_json& components, int row) {
    double front = 0, behind = 0;
    for (const auto& component : components.items()) {
      // A part of `ane` that the published tables count.
      if (!component.value().is_number() || component.key() == "ane_forward") continue;
      parts_[index_of(component.key())] += component.value().get<double>();
    }
    for (const auto& [index, ms] : parts_) {
      const bool background = index < std::size(kComponents) && kComponents[index].background;
      double& from = background ? behind : front;
      if (ms > 0) {
        plot_.boxes[index].boxes.push_back({from, from + ms, static_cast<double>(row),
                                            background ? -0.14 : 0.36, background ? 0.36 : 0.1});
      }
      from += std::max(ms, 0.0);
    }
    parts_.clear();
  }

 private:
  static constexpr int kStyles[] = {1, 2, 3, 4, 5, 6, 8, 9};

  void count(const BenchResult& result, std::map<std::string, double>& others) {
    for (const ordered_json& row : result.rows) {
      const auto components = row.find("components");
      if (components == row.end() || !components->is_object()) continue;
      for (const auto& component : components->items()) {
        const bool known = component_style(component.key()) > 0 || component.key() == "ane_forward";
        if (known || !component.value().is_number()) continue;
        others[component.key()] += component.value().get<double>();
      }
    }
  }

  void add(const std::string& name, const std::string& title, int style) {
    indices_[name] = plot_.boxes.size();
    plot_.boxes.push_back({title, style, {}});
  }

  size_t index_of(const std::string& name) const {
    const auto found = indices_.find(name);
    return found == indices_.end() ? plot_.boxes.size() - 1 : found->second;
  }

  Plot& plot_;
  std::map<std::string, size_t> indices_;  // in the plot's boxes
  std::map<size_t, double> parts_;         // of the bar that is being made
};

void add_steps(Plot& plot, PlotSeries& steps, Components& parts, const Run& run,
               const BenchResult& result) {
  bool any = false;
  for (const ordered_json& row : result.rows) {
    const double ms = number(row, "ms_per_step", number(row, "ms"));
    const double low = number(row, "ms_per_step_min", ms);
    const double high = number(row, "ms_per_step_max", ms);
    if (high <= 0) continue;
    const int at = row_number(plot, plain(run.name()) + ": " + row_name(result, row));
    steps.points.push_back({ms > 0 ? ms : (low + high) / 2, static_cast<double>(at), low, high});
    const auto components = row.find("components");
    if (components != row.end() && components->is_object()) parts.add_bars(*components, at);
    any = true;
  }
  if (any) plot.shows.emplace_back(run.name().text, run.origin);
}

}  // namespace

int component_style(const std::string& component) {
  for (const Component& known : kComponents) {
    if (component == known.name) return known.style;
  }
  return 0;
}

Plot dispatch_plot(const std::vector<Run>& runs) {
  Plot plot;
  plot.title = "dispatch: what starting a small program costs";
  plot.x_label = "time of a program, us";
  plot.note = "Median, and p10 to p90 as a bar where there are samples.";
  plot.log_x = true;
  for (const Run& run : runs) {
    PlotSeries series{plain(run.name()), SeriesKind::kPoints, run.number, run.origin, {}};
    for (const RunResult& found : run.results) {
      if (found.result.benchmark != "dispatch") continue;
      for (const ordered_json& row : found.result.rows) {
        const double us = 1e3 * number(row, "ms");
        if (us <= 0) continue;
        const int at = row_number(plot, row_name(found.result, row));
        series.points.push_back({us, static_cast<double>(at), 1e3 * number(row, "p10", us / 1e3),
                                 1e3 * number(row, "p90", us / 1e3)});
      }
    }
    if (series.points.empty()) continue;
    plot.shows.emplace_back(run.name().text, run.origin);
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Plot step_plot(const std::vector<Run>& runs, const std::string& benchmark) {
  Plot plot;
  plot.title = benchmark + ": where the time of a step goes";
  plot.x_label = "time in a step, ms";
  plot.note =
      "Upper bar: what the device does and what the step waits for; where work overlaps, it "
      "is longer than the step. Lower bar: the background. Diamond: the whole step, all "
      "that is known of published ones. With accumulation a step is a micro-step.";
  Components parts(plot, runs, benchmark);
  PlotSeries steps{"whole step", SeriesKind::kPoints, 0, Origin::kMeasured, {}};
  for (const Run& run : runs) {
    for (const RunResult& found : run.results) {
      if (found.result.benchmark == benchmark) add_steps(plot, steps, parts, run, found.result);
    }
  }
  if (!steps.points.empty()) plot.series.push_back(std::move(steps));
  return plot;
}

}  // namespace anemone
