// Models into programs: a trained model as what Core ML runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "anemone/checkpoint/model_weights.h"

namespace anemone::cli {

struct ModelProgramOptions {
  std::optional<int64_t> sequence;   // 256, or as many positions as the model has
  std::optional<std::string> dtype;  // fp16
  bool decode = true, states = false, force = false;
  std::string adapter = {};  // directory of a LoRA adapter
  bool merge = false;
};

// The weights of a model (whatever --model names) with its adapter merged into them. Throws Error
// for an adapter without `merge`, and for `merge` without an adapter.
ModelWeights load_merged(const std::string& model, const std::string& adapter, bool merge);

// Writes the model `in` (whatever --model names) as the program `out`: .mlpackage, .mlmodelc, .mil.
void convert_model(const std::string& in, const std::string& out,
                   const ModelProgramOptions& options);

}  // namespace anemone::cli
