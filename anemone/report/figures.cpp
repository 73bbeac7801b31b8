#include "anemone/report/figures.h"

#include <fmt/format.h>

#include <algorithm>

namespace anemone {
namespace {

using nlohmann::ordered_json;

void add_best(Figures& figures, const BenchResult& result) {
  for (const ordered_json& row : result.rows) {
    figures.best_tflops = std::max(figures.best_tflops, number(row, "tflops"));
  }
}

void add_dispatch(Figures& figures, const BenchResult& result) {
  const ordered_json* cheapest = nullptr;
  for (const ordered_json& row : result.rows) {
    if (number(row, "ms") <= 0) continue;
    if (!cheapest || number(row, "ms") < number(*cheapest, "ms")) cheapest = &row;
  }
  if (!cheapest) return;
  const double ms = number(*cheapest, "ms");
  figures.dispatch_ms = {ms, number(*cheapest, "p10", ms), number(*cheapest, "p90", ms), true};
}

// The narrow probe shows what the memory behind the last capacity gives; without it, the fine one
// shows at least whether there is a capacity.
void add_memory(Figures& figures, const std::vector<ProbeFit>& fits) {
  for (const ProbeFit& probe : fits) {
    const bool narrow = probe.probe == "stream";
    if (figures.sought_capacity && !narrow) continue;
    const Fit& fit = probe.fit;
    figures.sought_capacity = true;
    figures.capacity.reset();
    if (!fit.capacities.empty()) figures.capacity = fit.capacities.back();
    figures.stream_gbs =
        fit.capacities.empty() ? fit.bandwidth_gbs : fit.capacities.back().beyond_gbs;
  }
  for (const ProbeFit& probe : fits) {
    if (probe.fit.power_of_two && probe.fit.power_of_two->determined) {
      figures.power_of_two = probe.fit.power_of_two->value;
    }
  }
}

std::string show(const std::optional<Estimate>& e, const char* unit, double scale = 1) {
  if (!e) return "not measured";
  if (!e->determined) return "not determined by these data";
  return fmt::format("{:.4g} {} ({:.4g} to {:.4g})", scale * e->value, unit, scale * e->low,
                     scale * e->high);
}

std::string show_capacity(const Figures& f) {
  if (!f.sought_capacity) return "not measured";
  if (!f.capacity) return "none that the data support";
  return fmt::format("between {:.4g} and {:.4g} MiB", f.capacity->low_mb, f.capacity->high_mb);
}

}  // namespace

Figures figures_of(std::span<const BenchResult> results) {
  Figures figures;
  for (const BenchResult& result : results) {
    figures.label = result.label();
    add_best(figures, result);
    if (result.benchmark == "dispatch") add_dispatch(figures, result);
    if (result.benchmark != "peak" && result.benchmark != "sram") continue;
    const std::vector<ProbeFit> fits = fit_result(result);
    if (result.benchmark == "sram") add_memory(figures, fits);
    if (result.benchmark == "peak" && !fits.empty()) figures.peak_tflops = fits[0].fit.peak_tflops;
  }
  return figures;
}

std::string to_text(const Figures& f) {
  const auto line = [](const char* name, const std::string& text) {
    return fmt::format("  {:<20}{}\n", name, text);
  };
  std::string text = "figures of " + f.label + " (90 % intervals)\n";
  text += line("peak", show(f.peak_tflops, "TFLOPS"));
  if (f.best_tflops > 0) text += line("fastest seen", fmt::format("{:.4g} TFLOPS", f.best_tflops));
  text += line("dispatch floor", show(f.dispatch_ms, "us", 1e3));
  text += line("stream bandwidth", show(f.stream_gbs, "GB/s"));
  text += line("on-chip capacity", show_capacity(f));
  if (f.power_of_two) {
    text += line("powers of two",
                 fmt::format("{:.3g} times slower from 4096 channels up", *f.power_of_two));
  }
  return text;
}

ordered_json to_json(const Figures& f) {
  ordered_json json = {{"label", f.label}, {"best_tflops", f.best_tflops}};
  const auto add = [&](const char* name, const std::optional<Estimate>& e) {
    if (!e || !e->determined) return;
    json[name] = {{"value", e->value}, {"low", e->low}, {"high", e->high}};
  };
  add("peak_tflops", f.peak_tflops);
  add("dispatch_ms", f.dispatch_ms);
  add("stream_gbs", f.stream_gbs);
  if (f.capacity) {
    json["capacity_mb"] = {{"low", f.capacity->low_mb}, {"high", f.capacity->high_mb}};
  }
  if (f.power_of_two) json["power_of_two"] = *f.power_of_two;
  return json;
}

std::vector<std::vector<BenchResult>> by_label(std::vector<BenchResult> results) {
  std::vector<std::vector<BenchResult>> groups;
  for (BenchResult& result : results) {
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return group[0].label() == result.label() && group[0].source == result.source;
    });
    if (same != groups.end()) {
      same->push_back(std::move(result));
    } else {
      groups.emplace_back();
      groups.back().push_back(std::move(result));
    }
  }
  return groups;
}

}  // namespace anemone
