// Reading and writing a model, the format being told by the path.
#pragma once

#include <filesystem>

#include "anemone/checkpoint/hf_directory.h"

namespace anemone {

// A file is a llama2.c model, a directory a Hugging Face one. The weights are checked (check()).
// Throws Error naming what is missing or wrong.
ModelWeights load_model(const std::filesystem::path& path, ReadAs as = ReadAs::kFp32);

// A path that ends in `.bin` becomes a llama2.c v0 file, which is fp32; any other a Hugging Face
// directory with elements of `dtype` (fp32, fp16 or bf16).
void save_model(const std::filesystem::path& path, const ModelWeights& weights,
                DType dtype = DType::kFp32);

}  // namespace anemone
