// One update of parameters from the gradients that micro-steps have added up: unscaled, clipped,
// AdamW. What every training loop does in the same way.
#pragma once

#include <optional>
#include <span>

#include "anemone/runtime/task_runner.h"
#include "anemone/train/loss_scale.h"
#include "anemone/train/train_options.h"

namespace anemone {

// One update, as it goes to the terminal and to metrics.jsonl.
struct UpdateMetrics {
  int64_t step = 0;  // from 1: updates done
  double loss = 0;   // mean over all targets of the update, before it
  double gradient_norm = 0, learning_rate = 0;
  int64_t tokens = 0;  // or samples, seen by this update
  double ms = 0;
  bool simulated = false;  // ms
  double loss_scale = 1;
  bool skipped = false;  // the gradients were not finite: nothing has changed but the loss scale
  std::optional<double> validation_loss;
};

// The loss scale that a run starts with: as given, else dynamic where programs are fp16.
LossScale first_loss_scale(const TrainOptions& options, const Device& device);

class Updater {
 public:
  // Borrows all three.
  Updater(std::span<Parameter> parameters, ThreadPool& pool, TaskRunner& runner);

  // Makes update `step`, from 0, and zeroes the gradients. `metrics` has the loss; its other
  // numbers are filled in. Returns whether the update went ahead: one whose gradients are not
  // finite is skipped. Throws Error where no smaller loss scale can help.
  bool apply(const TrainOptions& options, int64_t step, LossScale& scale, UpdateMetrics& metrics);

 private:
  std::span<Parameter> parameters_;
  ThreadPool& pool_;
  TaskRunner& runner_;
  double count_ = 0;  // numbers in all parameters
  size_t norm_event_, adamw_event_;
};

}  // namespace anemone
