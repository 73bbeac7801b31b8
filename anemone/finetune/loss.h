// The loss of a program's output: as operations to train on, and as sums to report.
//
// Cross entropy: the mean over samples (and positions) of -log softmax(output)[target], where one
// axis of the output counts classes and targets are integers with all other axes. Mean square: of
// output - target, which have one shape.
#pragma once

#include <optional>
#include <string>

#include "anemone/finetune/finetune_options.h"
#include "anemone/finetune/samples.h"
#include "anemone/ir/program.h"

namespace anemone {

// How an output of one run and its targets lie in memory.
struct LossShape {
  LossKind kind = LossKind::kCrossEntropy;
  int64_t batch = 1;                          // samples of a run
  int64_t outer = 1, classes = 1, inner = 1;  // the output as [outer, classes, inner]

  // Targets of a run.
  int64_t targets() const { return outer * inner; }
};

// Matches an output of `batch` samples with the targets of `samples`, which become int32 or fp32.
// Throws Error where shapes or types do not fit, where the axis of classes is open, and for a class
// that is none, naming the sample.
LossShape fit_loss(const FinetuneOptions& options, Value output, int64_t batch, Samples& samples);

// Appends the loss: a new input "targets", [outer * inner] int32 or the output's type, and the only
// output "loss", [1]. The function must not use these names.
void append_loss(Function& function, const LossShape& shape);

// The loss of many runs.
class LossSum {
 public:
  explicit LossSum(const LossShape& shape) : shape_(shape) {}

  // Adds the first `samples` of a run.
  void add(const TensorView& output, const TensorView& targets, int64_t samples);
  double mean() const { return sum_ / static_cast<double>(count_); }
  // The share of targets that have the greatest output; none for the mean square.
  std::optional<double> accuracy() const;

 private:
  void add_cross_entropy(const TensorView& output, const TensorView& targets, int64_t outer);

  LossShape shape_;
  double sum_ = 0;
  int64_t count_ = 0, correct_ = 0;
};

}  // namespace anemone
