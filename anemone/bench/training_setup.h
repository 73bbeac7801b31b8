// What benchmarks of training steps begin with.
#pragma once

#include <filesystem>
#include <string>

#include "anemone/bench/benchmarks.h"
#include "anemone/checkpoint/hf_directory.h"
#include "anemone/train/checkpoint.h"

namespace anemone {

// The data that were given, or random tokens for the model, written into `folder`.
std::string data_for(const BenchOptions& options, const std::filesystem::path& folder);

// New weights of a preset, or a model's. Without values nobody looks at them, and none are made.
ModelWeights weights_for(const BenchOptions& options, bool values, ReadAs as = ReadAs::kFp32);

TrainerState state_for(const BenchOptions& options, const std::string& data,
                       const std::string& pipeline);

// Notes in `settings` what was trained on what.
void describe_training(const BenchOptions& options, BenchResult& result);

}  // namespace anemone
