#include <fmt/format.h>

#include "anemone/report/fit.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

std::string show(const Estimate& e, const char* unit) {
  if (!e.determined) return "not determined by these data";
  return fmt::format("{:.4g} {} (90 %: {:.4g} to {:.4g})", e.value, unit, e.low, e.high);
}

std::string line(const std::string& name, const std::string& text) {
  return fmt::format("  {:<20}{}\n", name, text);
}

ordered_json as_json(const Estimate& e) {
  return {{"value", e.value}, {"low", e.low}, {"high", e.high}, {"determined", e.determined}};
}

std::string capacity_lines(const Fit& fit) {
  if (fit.capacities.empty()) return line("capacity", "none supported by these data");
  std::string text;
  for (const Capacity& c : fit.capacities) {
    text += line("capacity", fmt::format("between {:.4g} and {:.4g} MiB", c.low_mb, c.high_mb));
    text += line("bandwidth beyond", show(c.beyond_gbs, "GB/s"));
    if (c.start_ms > 0) text += line("start beyond", fmt::format("{:.3g} ms", c.start_ms));
  }
  return text;
}

}  // namespace

std::string to_text(const Fit& fit) {
  std::string text =
      fmt::format("fit of {} times: {}, off by {:.1f} % (median), {:.1f} % (worst)\n",
                  fit.observations, fit.chosen, 100 * fit.median_error, 100 * fit.worst_error);
  text += line("dispatch", show(fit.dispatch_ms, "ms"));
  if (fit.layer_ms.value > 0) text += line("one more layer", show(fit.layer_ms, "ms"));
  text += line("peak", show(fit.peak_tflops, "TFLOPS"));
  text += line("bandwidth", show(fit.bandwidth_gbs, "GB/s"));
  text += capacity_lines(fit);
  if (fit.power_of_two) text += line("powers of two", show(*fit.power_of_two, "times slower"));
  if (fit.activations_gbs) text += line("activations", show(*fit.activations_gbs, "GB/s"));
  text += "  models compared (difference of AICc to the plain one; negative is better):\n";
  for (const ModelScore& model : fit.models) {
    text += fmt::format("    {:<32}{:>8.1f}  {} parameters, median error {:.1f} %\n", model.name,
                        model.criterion, model.parameters, 100 * model.median_error);
  }
  if (!fit.anomalies.empty()) text += "  anomalies, which the fit misses:\n";
  for (const Anomaly& a : fit.anomalies) {
    text += fmt::format("    {:<24}{:.4g} ms, {:.2f} times what the fit expects\n", a.label, a.ms,
                        a.ms / a.expected_ms);
  }
  return text;
}

ordered_json to_json(const Fit& fit) {
  ordered_json json = {{"observations", fit.observations},
                       {"chosen", fit.chosen},
                       {"median_error", fit.median_error},
                       {"worst_error", fit.worst_error},
                       {"dispatch_ms", as_json(fit.dispatch_ms)},
                       {"peak_tflops", as_json(fit.peak_tflops)},
                       {"bandwidth_gbs", as_json(fit.bandwidth_gbs)},
                       {"capacities", ordered_json::array()},
                       {"models", ordered_json::array()},
                       {"anomalies", ordered_json::array()}};
  if (fit.layer_ms.value > 0) json["layer_ms"] = as_json(fit.layer_ms);
  if (fit.power_of_two) json["power_of_two"] = as_json(*fit.power_of_two);
  if (fit.activations_gbs) json["activations_gbs"] = as_json(*fit.activations_gbs);
  for (const Capacity& c : fit.capacities) {
    json["capacities"].push_back({{"mb", c.mb},
                                  {"low_mb", c.low_mb},
                                  {"high_mb", c.high_mb},
                                  {"beyond_gbs", as_json(c.beyond_gbs)},
                                  {"start_ms", c.start_ms}});
  }
  for (const ModelScore& m : fit.models) {
    json["models"].push_back({{"name", m.name},
                              {"parameters", m.parameters},
                              {"criterion", m.criterion},
                              {"median_error", m.median_error}});
  }
  for (const Anomaly& a : fit.anomalies) {
    json["anomalies"].push_back({{"label", a.label}, {"ms", a.ms}, {"expected_ms", a.expected_ms}});
  }
  return json;
}

}  // namespace anemone
