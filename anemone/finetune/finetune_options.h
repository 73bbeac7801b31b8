// What defines the training of a program: which numbers, towards what, on what samples.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "anemone/train/train_options.h"

namespace anemone {

enum class LossKind : uint8_t { kCrossEntropy, kMeanSquare };

struct FinetuneOptions {
  std::string function;            // empty: the program's own choice
  std::string output;              // the value that the loss is of; empty: the only result
  std::vector<std::string> train;  // names of constants, or patterns as those of a shell
  LossKind loss = LossKind::kCrossEntropy;
  std::string targets;                // name of a tensor of the data
  std::optional<int64_t> class_axis;  // of the output, where its shape leaves it open
  // Steps, batch (samples of an update), seed, schedule, optimizer and device.
  TrainOptions run;
};

}  // namespace anemone
