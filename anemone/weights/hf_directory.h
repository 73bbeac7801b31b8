// Model directories of Hugging Face: config.json and model.safetensors, or its shards.
#pragma once

#include <filesystem>

#include "anemone/weights/model_weights.h"

namespace anemone {

// Reads config.json alone.
LlamaConfig read_hf_config(const std::filesystem::path& directory);

// Reads config.json and F32, F16 or BF16 tensors from model.safetensors, or from the shards that
// model.safetensors.index.json names. Rotary frequency tables are ignored, and so is lm_head.weight
// when the configuration ties it to the embedding. Throws Error naming file and tensor.
ModelWeights read_hf_directory(const std::filesystem::path& directory);

// Writes config.json and model.safetensors with elements of `dtype` (fp32, fp16 or bf16), creating
// the directory. Each file is replaced in one piece.
void write_hf_directory(const std::filesystem::path& directory, const ModelView& weights,
                        DType dtype = DType::kFp32);

}  // namespace anemone
