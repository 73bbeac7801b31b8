// Fits in words: what each says, which models were compared, and what it misses.
#include <fmt/format.h>

#include <algorithm>

#include "anemone/report/report.h"

namespace anemone {
namespace {

constexpr size_t kModelsShown = 6;

std::string show(const Estimate& e, const char* unit) {
  if (!e.determined) return "not determined by these data";
  return fmt::format("{:.4g} {} (90 %: {:.4g} to {:.4g})", e.value, unit, e.low, e.high);
}

void add_capacities(Items& items, const Fit& fit) {
  if (fit.capacities.empty()) items.lines.push_back("Capacity: none supported by these data");
  for (const Capacity& c : fit.capacities) {
    std::string line = fmt::format("Capacity: between {:.4g} and {:.4g} MiB; bandwidth beyond: {}",
                                   c.low_mb, c.high_mb, show(c.beyond_gbs, "GB/s"));
    if (c.start_ms > 0) line += fmt::format(", after a start of {:.3g} ms", c.start_ms);
    items.lines.push_back(std::move(line));
  }
}

Items figures_of(const Fit& fit) {
  Items items;
  items.lines.push_back("Dispatch: " + show(fit.dispatch_ms, "ms"));
  if (fit.layer_ms.value > 0) {
    items.lines.push_back("One more layer: " + show(fit.layer_ms, "ms"));
  }
  items.lines.push_back("Peak: " + show(fit.peak_tflops, "TFLOPS"));
  items.lines.push_back("Bandwidth: " + show(fit.bandwidth_gbs, "GB/s"));
  add_capacities(items, fit);
  if (fit.power_of_two) {
    items.lines.push_back("Sizes that are powers of two: " +
                          show(*fit.power_of_two, "times slower"));
  }
  if (fit.activations_gbs) {
    items.lines.push_back("Activations: " + show(*fit.activations_gbs, "GB/s"));
  }
  for (const Anomaly& a : fit.anomalies) {
    items.lines.push_back(
        fmt::format("Anomaly: {} took {:.4g} ms, {:.2f} times what the fit expects", a.label, a.ms,
                    a.ms / a.expected_ms));
  }
  return items;
}

// The best ones, and the plain one that all are compared with.
Table models_of(const Fit& fit, const Cell& caption) {
  std::vector<ModelScore> models;
  for (const ModelScore& model : fit.models) {
    // More parameters than the observations allow: not comparable.
    if (model.criterion < 1e100) models.push_back(model);
  }
  std::stable_sort(models.begin(), models.end(), [](const ModelScore& a, const ModelScore& b) {
    return a.criterion < b.criterion;
  });
  Table table;
  table.caption = caption;
  table.columns = {{"model"}, {"parameters"}, {"AICc, to plain"}, {"median error, %"}, {""}};
  for (size_t i = 0; i < models.size(); ++i) {
    const ModelScore& m = models[i];
    const bool chosen = m.name == fit.chosen;
    if (i >= kModelsShown && m.name != "plain" && !chosen) continue;
    table.rows.push_back({{m.name},
                          {fmt::format("{}", m.parameters)},
                          {fmt::format("{:.1f}", m.criterion)},
                          {fmt::format("{:.1f}", 100 * m.median_error)},
                          {chosen ? "chosen" : ""}});
  }
  align(table);
  return table;
}

}  // namespace

Section fit_section(const std::vector<Run>& runs) {
  Section section{"Fits", {}};
  for (const Run& run : runs) {
    for (const RunResult& result : run.results) {
      for (const auto& [probe, fit] : result.fits) {
        const std::string name = fmt::format("{} of {}{}", result.result.benchmark, run.name().text,
                                             probe.empty() ? "" : ", " + probe + " probe");
        section.blocks.push_back(Heading{{name, run.origin}});
        section.blocks.push_back(Paragraph{fmt::format(
            "{} times, model \"{}\": off by {:.1f} % (median) and {:.1f} % (worst).",
            fit.observations, fit.chosen, 100 * fit.median_error, 100 * fit.worst_error)});
        section.blocks.push_back(figures_of(fit));
        section.blocks.push_back(models_of(fit, {"Models compared, of " + name, run.origin}));
      }
    }
  }
  if (section.blocks.empty()) return section;
  section.blocks.insert(
      section.blocks.begin(),
      Paragraph{fmt::format(
          "A time is fitted as dispatch + depth × (layer + the larger of flops / peak and bytes / "
          "bandwidth). An extension is taken in only where it lowers Akaike's criterion (AICc) by "
          "more than {:g}. Intervals are of 90 %, from a bootstrap of the residuals.",
          kEvidence)});
  return section;
}

}  // namespace anemone
