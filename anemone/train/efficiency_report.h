// Where the time of a training run went, line by line as the published tables of ANE training have
// it; docs/pipelines.md defines each line.
#pragma once

#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "anemone/train/trainer.h"

namespace anemone {

// Floating-point operations of one micro-step as the field counts them: attention as dense 5 S² K a
// head, everything else as 2 times weights times columns.
struct FieldFlops {
  double forward = 0;     // all linear layers of the transformer
  double attention = 0;   // scores and their gradients
  double classifier = 0;  // one product with the vocabulary
  double total() const { return 3 * forward + attention + 3 * classifier; }
};
FieldFlops field_flops(const TransformerConfig& config, int64_t batch, int64_t sequence);

struct EfficiencyReport {
  bool simulated = false;
  std::string device, pipeline, model;
  ProgramCounts programs;
  RunTotals totals;
  double ms_per_step = 0;           // micro-step, wall
  double ms_per_sequence = 0;       // the same by sequence
  double ane_tflops = 0;            // the field's flops on the device, over the micro-step's time
  double total_tflops = 0;          // all of the field's flops, over the same
  double utilization_pct = 0;       // ane_tflops of 15.8, as the field has it
  double busy_ms = 0;               // device, per micro-step
  double busy_tflops = 0;           // flops that the device does, over that
  double peak_tflops = 0;           // of the chip; 0 if not known
  double peak_utilization_pct = 0;  // busy_tflops of it
  double compile_pct = 0, train_pct = 0;  // of wall time
  double dispatches = 0;                  // of the device, per micro-step
  double loss_scale = 1;
  int64_t skipped_updates = 0;
  // Milliseconds per micro-step: ane, io, cls, layers, elem, rms, cblas_wait, and dw, dw_copy in
  // the background.
  std::map<std::string, double> components;
  int64_t component_steps = 0;  // micro-steps that they are of: those of this process
  double ane_forward_ms = 0;    // the part of `ane` that the field's tables count
  double update_ms = 0;         // per update: norm, AdamW, weights to the device
};

EfficiencyReport make_report(const Trainer& trainer, const TrainingPlace& place);

std::string to_text(const EfficiencyReport& report);
nlohmann::json to_json(const EfficiencyReport& report);

}  // namespace anemone
