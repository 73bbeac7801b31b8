// What starting programs costs, and where a training step goes.
#include <fmt/format.h>

#include <algorithm>

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

std::string program_name(const BenchResult& result, const ordered_json& row) {
  std::string name;
  for (const Column& column : columns_of(result)) {
    const std::string text = cell(row, column);
    if (role_of(result, column) != ColumnRole::kName || text.empty()) continue;
    if (column.field == "program") {
      name = text;
    } else if (column.field == "inputs") {
      name += fmt::format(", {} {}", text, text == "1" ? "input" : "inputs");
    } else if (column.field == "weights") {
      if (text != "none") name += ", weights " + text;
    } else {
      name += (column.field == "spatial" ? " x " : ", ") + text;
    }
  }
  return name;
}

// One bar of foreground components end to end, and one of the background ones below it.
void add_bars(Plot& plot, const ordered_json& components, int row) {
  double front = 0, behind = 0;
  for (size_t i = 0; i < std::size(kComponents); ++i) {
    const Component& component = kComponents[i];
    const double ms = number(components, component.name);
    if (ms <= 0) continue;
    double& from = component.background ? behind : front;
    const double above = component.background ? -0.14 : 0.36;
    const double below = component.background ? 0.36 : 0.1;
    plot.boxes[i].boxes.push_back({from, from + ms, static_cast<double>(row), above, below});
    from += ms;
  }
}

void add_steps(Plot& plot, PlotSeries& steps, const Run& run, const BenchResult& result) {
  bool any = false;
  for (const ordered_json& row : result.rows) {
    const double ms = number(row, "ms_per_step");
    const double low = number(row, "ms_per_step_min", ms);
    const double high = number(row, "ms_per_step_max", ms);
    if (high <= 0) continue;
    const Column pipeline{"pipeline", "pipeline"};
    const int at = row_number(plot, cell(row, pipeline) + ", " + plain(run.name()));
    steps.points.push_back({ms > 0 ? ms : (low + high) / 2, static_cast<double>(at), low, high});
    const auto components = row.find("components");
    if (components != row.end() && components->is_object()) add_bars(plot, *components, at);
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
        const int at = row_number(plot, program_name(found.result, row));
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

Plot step_plot(const std::vector<Run>& runs) {
  Plot plot;
  plot.title = "train: where the time of a micro-step goes";
  plot.x_label = "time in a micro-step, ms";
  plot.note =
      "Upper bar: what the device does and what the step waits for; where work overlaps, it "
      "is longer than the step. Lower bar: the background. Diamond: the whole step, all "
      "that is known of published ones.";
  for (const Component& component : kComponents) {
    plot.boxes.push_back(
        {fmt::format("{}: {}", component.name, component.meaning), component.style, {}});
  }
  PlotSeries steps{"whole step", SeriesKind::kPoints, 0, Origin::kMeasured, {}};
  for (const Run& run : runs) {
    for (const RunResult& found : run.results) {
      if (found.result.benchmark == "train") add_steps(plot, steps, run, found.result);
    }
  }
  if (!steps.points.empty()) plot.series.push_back(std::move(steps));
  return plot;
}

}  // namespace anemone
