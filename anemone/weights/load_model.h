// Reading and writing a model, the format being told by the path.
#pragma once

#include <filesystem>

#include "anemone/weights/model_weights.h"

namespace anemone {

// A file is a llama2.c model, a directory a Hugging Face one. The weights are checked (check()).
// Throws Error naming what is missing or wrong.
ModelWeights load_model(const std::filesystem::path& path);

// A path that ends in `.bin` becomes a llama2.c v0 file, any other a Hugging Face directory (fp32).
void save_model(const std::filesystem::path& path, const ModelWeights& weights);

}  // namespace anemone
