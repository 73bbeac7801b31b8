#include "anemone/report/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/report/figures.h"
#include "anemone/report/result_plots.h"
#include "anemone/report/side_by_side.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

std::string text_of(const ordered_json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// --- runs ---

// And the machine that measured; what a simulator ran on means nothing.
std::string device_of(const Run& run) {
  const BenchResult& first = run.first();
  std::vector<std::string> words;
  if (!first.description.empty()) words.push_back(first.description);
  if (first.description.find(first.dtype) == std::string::npos) words.push_back(first.dtype);
  if (run.origin != Origin::kMeasured) return joined(words);
  for (const char* field : {"cpu", "os"}) {
    if (!text_of(first.machine, field).empty()) words.push_back(text_of(first.machine, field));
  }
  const double threads = number(first.settings, "threads");
  if (threads > 0) words.push_back(fmt::format("{} threads", threads));
  return joined(words);
}

std::string source_of(const Run& run) {
  if (run.origin == Origin::kPublished) return run.first().source;
  const std::string commit = text_of(run.first().machine, "commit");
  return "anemone " + (commit.empty() ? "of an unknown commit" : commit);
}

Table run_table(const std::vector<Run>& runs) {
  Table table;
  table.columns = {{"run"}, {"figures are"}, {"device and machine"}, {"source"}, {"benchmarks"}};
  for (const Run& run : runs) {
    std::vector<std::string> benchmarks;
    for (const RunResult& result : run.results) benchmarks.push_back(result.result.benchmark);
    table.rows.push_back({{run.name().text},
                          {"", run.origin},
                          {device_of(run)},
                          {source_of(run)},
                          {joined(benchmarks)}});
  }
  return table;
}

bool any_of(const std::vector<Run>& runs, Origin origin) {
  return std::any_of(runs.begin(), runs.end(),
                     [&](const Run& run) { return run.origin == origin; });
}

Section runs_section(const std::vector<Run>& runs) {
  Items words;
  if (any_of(runs, Origin::kMeasured)) {
    words.lines.push_back("measured: timed by this program on the machine that is named");
  }
  if (any_of(runs, Origin::kSimulated)) {
    words.lines.push_back(
        "simulated: predicted by a model of the chip; nothing of it ran on such hardware");
  }
  if (any_of(runs, Origin::kPublished)) {
    words.lines.push_back("published: timed by others with their programs, taken from the source");
  }
  return {"Runs", {words, run_table(runs)}};
}

// --- figures ---

std::string interval(const std::optional<Estimate>& e, double scale = 1) {
  if (!e) return "";
  if (!e->determined) return "not determined";
  const std::string value = fmt::format("{:.4g}", scale * e->value);
  if (e->low == e->high) return value;
  return fmt::format("{} ({:.4g} to {:.4g})", value, scale * e->low, scale * e->high);
}

std::string capacity_of(const Figures& figures) {
  if (!figures.sought_capacity) return "";
  if (!figures.capacity) return "none supported";
  return fmt::format("{:.4g} to {:.4g}", figures.capacity->low_mb, figures.capacity->high_mb);
}

Section figures_section(const std::vector<Run>& runs) {
  Table table;
  table.caption.text = "In parentheses: 90 % intervals of fits, p10 to p90 of the dispatch floor.";
  table.columns = {{"run"},
                   {"peak, TFLOPS"},
                   {"fastest seen, TFLOPS"},
                   {"dispatch floor, us"},
                   {"stream bandwidth, GB/s"},
                   {"on-chip capacity, MiB"},
                   {"powers of two, times slower"}};
  for (const Run& run : runs) {
    std::vector<BenchResult> results;
    for (const RunResult& result : run.results) results.push_back(result.result);
    const Figures f = figures_of(results);
    std::vector<Cell> row = {run.name(),
                             {interval(f.peak_tflops)},
                             {f.best_tflops > 0 ? fmt::format("{:.4g}", f.best_tflops) : ""},
                             {interval(f.dispatch_ms, 1e3)},
                             {interval(f.stream_gbs)},
                             {capacity_of(f)},
                             {f.power_of_two ? fmt::format("{:.3g}", *f.power_of_two) : ""}};
    const bool any = std::any_of(row.begin() + 1, row.end(),
                                 [](const Cell& cell) { return !cell.text.empty(); });
    if (any) table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) return {"Figures", {Paragraph{"No result here gives any."}}};
  for (size_t c = 1; c < table.columns.size(); ++c) table.columns[c].right = true;
  return {"Figures",
          {Paragraph{"Blank: not measured. Not determined: measured, but the data leave the figure "
                     "open by more than a factor of two."},
           table}};
}

// --- benchmarks ---

// Those of the published tables first, then whatever else there is, in the order of the files.
std::vector<std::string> benchmarks_of(const std::vector<Run>& runs) {
  std::vector<std::string> names;
  for (const char* known : {"peak", "inmem", "sram", "dispatch", "int8", "train", "step"}) {
    names.push_back(known);
  }
  const auto is_there = [&](const std::string& name) {
    return std::any_of(runs.begin(), runs.end(), [&](const Run& run) {
      return std::any_of(run.results.begin(), run.results.end(),
                         [&](const RunResult& r) { return r.result.benchmark == name; });
    });
  };
  std::erase_if(names, [&](const std::string& name) { return !is_there(name); });
  for (const Run& run : runs) {
    for (const RunResult& r : run.results) {
      const std::string& name = r.result.benchmark;
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

std::vector<Plot> plots_of(const std::vector<Run>& runs, const std::string& benchmark) {
  if (benchmark == "peak" || benchmark == "inmem" || benchmark == "sram") {
    return throughput_plots(runs, benchmark);
  }
  if (benchmark == "dispatch") return {dispatch_plot(runs)};
  if (benchmark == "train" || benchmark == "step") return {step_plot(runs, benchmark)};
  return {};
}

// How it was measured, or what the publication says about it.
std::string remark(const Run& run, const BenchResult& result) {
  std::vector<std::string> words;
  for (const auto& [name, value] : result.settings.items()) {
    if (!value.is_primitive() || value == 0 || value == "") continue;
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    words.push_back(name == "note" ? text : name + " " + text);
  }
  return words.empty() ? "" : plain(run.name()) + ": " + joined(words);
}

Section benchmark_section(const std::vector<Run>& runs, const std::string& benchmark) {
  Section section{benchmark, {}};
  std::vector<NamedResult> results;
  Items remarks;
  for (const Run& run : runs) {
    for (const RunResult& found : run.results) {
      if (found.result.benchmark != benchmark) continue;
      results.push_back({run.name(), &found.result});
      const std::string text = remark(run, found.result);
      if (!text.empty()) remarks.lines.push_back(text);
    }
  }
  for (Plot& plot : plots_of(runs, benchmark)) {
    if (!plot.empty()) section.blocks.push_back(std::move(plot));
  }
  for (Table& table : side_by_side(results)) section.blocks.push_back(std::move(table));
  if (!remarks.lines.empty()) section.blocks.push_back(std::move(remarks));
  return section;
}

Section timeline_section(const std::vector<Trace>& traces) {
  Section section{"Timeline", {}};
  for (const Trace& trace : traces) section.blocks.push_back(timeline_plot(trace));
  return section;
}

}  // namespace

Document report_of(const ReportInput& input) {
  const bool any = std::any_of(input.results.begin(), input.results.end(),
                               [](const ResultFile& file) { return !file.result.rows.empty(); });
  if (!any) {
    fail("report", "the results have no rows, so there is nothing to report",
         "give results of anemone bench or files of results/published");
  }
  const std::vector<Run> runs = runs_of(input.results);
  std::vector<std::string> devices;
  for (const Run& run : runs) {
    const std::string& device = run.first().device;
    if (std::find(devices.begin(), devices.end(), device) == devices.end())
      devices.push_back(device);
  }
  const bool many = devices.size() > 4;
  Document document{many ? fmt::format("Benchmarks of {} devices", devices.size())
                         : "Benchmarks: " + joined(devices),
                    {}};
  document.sections.push_back(runs_section(runs));
  document.sections.push_back(figures_section(runs));
  const Plot roofline = roofline_plot(runs);
  if (!roofline.empty()) document.sections.push_back({"Roofline", {roofline}});
  for (const std::string& benchmark : benchmarks_of(runs)) {
    document.sections.push_back(benchmark_section(runs, benchmark));
  }
  if (!input.traces.empty()) document.sections.push_back(timeline_section(input.traces));
  Section fits = fit_section(runs);
  if (!fits.blocks.empty()) document.sections.push_back(std::move(fits));
  document.sections.push_back(commands_section(runs, input.arguments));
  return document;
}

}  // namespace anemone
