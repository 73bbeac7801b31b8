// Models into programs: a trained model as what Core ML runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace anemone::cli {

struct ModelProgramOptions {
  std::optional<int64_t> sequence;   // 256, or as many positions as the model has
  std::optional<std::string> dtype;  // fp16
  bool decode = true, states = false, force = false;
};

// Writes the model `in` (whatever --model names) as the program `out`: .mlpackage, .mlmodelc, .mil.
void convert_model(const std::string& in, const std::string& out,
                   const ModelProgramOptions& options);

}  // namespace anemone::cli
