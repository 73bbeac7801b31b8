#include "anemone/train/efficiency_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace anemone {
namespace {

// What the field divides by, whatever the chip.
constexpr double kFieldPeakTflops = 15.8;

struct ComponentLine {
  const char *name, *meaning;
};
constexpr ComponentLine kComponents[] = {
    {"ane", "device programs, forward and backward"},
    {"io", "copies between host and surfaces that the step waits for"},
    {"cls", "classifier on the host, forward and backward"},
    {"layers", "attention and ffn on the host, forward and backward"},
    {"elem", "element-wise host work: residuals, embedding, loss"},
    {"rms", "RMSNorm and its backward on the host"},
    {"cblas_wait", "waiting for weight gradients at the end of a step"},
    {"dw", "weight gradients, in the background"},
    {"dw_copy", "copies for them, in the background"},
};

double per(double sum, int64_t count) { return count > 0 ? sum / static_cast<double>(count) : 0; }
double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

// Which of the field's flops the device does. The field has no word for a placement of one's own,
// or one with layers on the host: then all flops of its programs.
double device_field_flops(const FieldFlops& flops, const EfficiencyReport& report,
                          bool has_classifier, double all_flops) {
  if (report.dispatches == 0) return 0;
  const auto known = [&](const Placement& pipeline) { return pipeline.name == report.pipeline; };
  const auto& pipelines = all_pipelines();
  const bool comparable =
      std::any_of(pipelines.begin(), pipelines.end(), known) && report.components.at("layers") == 0;
  if (!comparable) return all_flops;
  return 2 * flops.forward + flops.attention + (has_classifier ? flops.classifier : 0);
}

void add_timeline(const Timeline& timeline, EfficiencyReport& report) {
  int64_t& micro_steps = report.component_steps;
  int64_t dispatches = 0;
  for (const TimelineTotal& total : timeline.names()) {
    if (total.category == "data") micro_steps = total.count;
    if (total.category != "ane") continue;
    dispatches += total.count;
    if (total.name.find(" forward") != std::string::npos) report.ane_forward_ms += total.total_ms;
  }
  for (const ComponentLine& line : kComponents) {
    report.components[line.name] = per(timeline.category_ms(line.name), micro_steps);
  }
  report.ane_forward_ms = per(report.ane_forward_ms, micro_steps);
  report.busy_ms = report.components["ane"];
  report.dispatches = per(static_cast<double>(dispatches), micro_steps);
}

std::string line(const char* name, const std::string& value) {
  return fmt::format("  {:<24}{}\n", name, value);
}

}  // namespace

FieldFlops field_flops(const TransformerConfig& config, int64_t batch, int64_t sequence) {
  const auto columns = static_cast<double>(batch * sequence), d = static_cast<double>(config.dim);
  const auto q = static_cast<double>(config.heads * config.head_size);
  const auto kv = static_cast<double>(config.kv_heads * config.head_size);
  const auto layers = static_cast<double>(config.layers);
  FieldFlops flops;
  const double weights = 2 * d * q + 2 * d * kv + 3 * d * static_cast<double>(config.hidden_dim);
  flops.forward = layers * 2 * weights * columns;
  flops.attention = layers * 2 * 5 * q * columns * static_cast<double>(sequence);
  flops.classifier = 2 * static_cast<double>(config.vocab_size) * d * columns;
  return flops;
}

EfficiencyReport make_report(const Trainer& trainer, const TrainingPlace& place) {
  ANEMONE_CHECK(place.timeline != nullptr);
  const TrainerState& state = trainer.state();
  EfficiencyReport report;
  report.simulated = place.device.info().simulated;
  report.device = place.device.info().name;
  report.pipeline = place.placement.name;
  report.model = state.options.model;
  report.programs = trainer.program().counts();
  report.totals = state.totals;
  report.ms_per_step = per(state.totals.train_ms, state.totals.micro_steps);
  report.ms_per_sequence = report.ms_per_step / static_cast<double>(state.options.batch);
  report.loss_scale = state.loss_scale->scale;
  report.skipped_updates = state.loss_scale->skipped;
  add_timeline(*place.timeline, report);
  const FieldFlops flops =
      field_flops(trainer.parameters().config(), state.options.batch, state.options.sequence);
  if (report.ms_per_step > 0) {
    report.ane_tflops =
        device_field_flops(flops, report, trainer.program().device_runs("loss", "conv"),
                           trainer.program().device_flops()) /
        report.ms_per_step / 1e9;
    report.total_tflops = flops.total() / report.ms_per_step / 1e9;
  }
  report.utilization_pct = percent(report.ane_tflops, kFieldPeakTflops);
  if (report.busy_ms > 0) {
    report.busy_tflops = trainer.program().device_flops() / report.busy_ms / 1e9;
  }
  report.peak_tflops = place.device.info().peak_tflops;
  report.peak_utilization_pct = percent(report.busy_tflops, report.peak_tflops);
  report.compile_pct = percent(state.totals.compile_ms, state.totals.wall_ms);
  report.train_pct = percent(state.totals.train_ms, state.totals.wall_ms);
  report.update_ms = per(state.totals.update_ms, state.totals.updates);
  return report;
}

namespace {

std::string device_lines(const EfficiencyReport& r) {
  std::string text = line("ANE TFLOPS", fmt::format("{:.2f} sustained", r.ane_tflops));
  text += line("ANE utilization",
               fmt::format("{:.1f}% of {} TFLOPS", r.utilization_pct, kFieldPeakTflops));
  text += line("device busy", fmt::format("{:.1f} ms/step in {:.0f} dispatches, {:.2f} TFLOPS",
                                          r.busy_ms, r.dispatches, r.busy_tflops));
  if (r.peak_tflops > 0) {
    text += line("busy utilization", fmt::format("{:.1f}% of the chip's {:.1f} TFLOPS",
                                                 r.peak_utilization_pct, r.peak_tflops));
  }
  return text;
}

std::string component_lines(const EfficiencyReport& r) {
  const bool all = r.component_steps == r.totals.micro_steps;
  std::string text =
      fmt::format("  {:<24}{:>10}{}\n", "component", "ms/step",
                  all ? "" : fmt::format("  in the last {} micro-steps", r.component_steps));
  for (const ComponentLine& component : kComponents) {
    text += fmt::format("    {:<22}{:>10.2f}  {}\n", component.name,
                        r.components.at(component.name), component.meaning);
  }
  return text + fmt::format("    {:<22}{:>10.2f}  {}\n", "ane (forward only)", r.ane_forward_ms,
                            "what published tables call ane");
}

}  // namespace

std::string to_text(const EfficiencyReport& r) {
  const auto pct = [](double ms, double share) {
    return fmt::format("{:.0f} ms ({:.1f}%)", ms, share);
  };
  std::string text = fmt::format("efficiency report: {} on {}, pipeline {}{}\n", r.model, r.device,
                                 r.pipeline, r.simulated ? ", simulated" : "");
  text += line("programs", fmt::format("{} ({} weight-bearing + {} static)", r.programs.total,
                                       r.programs.weight_bearing, r.programs.weight_free()));
  text += line("total steps", fmt::format("{} micro-steps, {} updates ({} skipped, loss scale {}), "
                                          "{} restarts",
                                          r.totals.micro_steps, r.totals.updates, r.skipped_updates,
                                          r.loss_scale, r.totals.restarts));
  text += line("wall time", fmt::format("{:.0f} ms", r.totals.wall_ms));
  text += line("compile time", pct(r.totals.compile_ms, r.compile_pct));
  text += line("train time", pct(r.totals.train_ms, r.train_pct));
  text += line("avg train", fmt::format("{:.1f} ms/step", r.ms_per_step));
  if (r.ms_per_sequence != r.ms_per_step) {
    text += line("per sequence", fmt::format("{:.1f} ms", r.ms_per_sequence));
  }
  text += line("update", fmt::format("{:.1f} ms each", r.update_ms));
  text += line("total TFLOPS", fmt::format("{:.2f} (ANE + CPU)", r.total_tflops));
  if (r.dispatches > 0) text += device_lines(r);
  return r.component_steps > 0 ? text + component_lines(r) : text;
}

nlohmann::json to_json(const EfficiencyReport& r) {
  nlohmann::json components = r.components;
  components["ane_forward"] = r.ane_forward_ms;
  return {{"simulated", r.simulated},
          {"device", r.device},
          {"pipeline", r.pipeline},
          {"model", r.model},
          {"programs_total", r.programs.total},
          {"programs_weight_bearing", r.programs.weight_bearing},
          {"programs_static", r.programs.weight_free()},
          {"micro_steps", r.totals.micro_steps},
          {"updates", r.totals.updates},
          {"restarts", r.totals.restarts},
          {"compiles", r.totals.compiles},
          {"skipped_updates", r.skipped_updates},
          {"loss_scale", r.loss_scale},
          {"ms_per_step", r.ms_per_step},
          {"ms_per_sequence", r.ms_per_sequence},
          {"ms_per_update", r.update_ms},
          {"ane_tflops", r.ane_tflops},
          {"total_tflops", r.total_tflops},
          {"utilization_pct", r.utilization_pct},
          {"device_busy_ms", r.busy_ms},
          {"device_busy_tflops", r.busy_tflops},
          {"peak_tflops", r.peak_tflops},
          {"peak_utilization_pct", r.peak_utilization_pct},
          {"dispatches_per_step", r.dispatches},
          {"compile_pct", r.compile_pct},
          {"train_pct", r.train_pct},
          {"compile_ms", r.totals.compile_ms},
          {"train_ms", r.totals.train_ms},
          {"wall_ms", r.totals.wall_ms},
          {"ane_forward_ms", r.ane_forward_ms},
          {"component_micro_steps", r.component_steps},
          {"components", components}};
}

}  // namespace anemone
