// Model directories of Hugging Face: config.json and model.safetensors, or its shards.
#pragma once

#include <filesystem>

#include "anemone/checkpoint/model_weights.h"

namespace anemone {

// Reads config.json alone (families.h); `notes` as for config_from_json.
TransformerConfig read_hf_config(const std::filesystem::path& directory,
                                 std::vector<std::string>* notes = nullptr);

// Reads config.json and F32, F16 or BF16 tensors from model.safetensors, or from the shards that
// model.safetensors.index.json names. Rotary frequency tables are ignored. Where the configuration
// ties the classifier to the embedding, the files decide, as in transformers 5: an lm_head.weight
// of other values is the classifier, with a note; one of the two tensors alone is both.
// Tensors become fp32, or they stay as they are stored: where the file is mapped, read only.
// Throws Error naming file and tensor.
enum class ReadAs { kFp32, kStored };
ModelWeights read_hf_directory(const std::filesystem::path& directory, ReadAs as = ReadAs::kFp32);

// Writes config.json and model.safetensors with elements of `dtype` (fp32, fp16 or bf16), creating
// the directory. Each file is replaced in one piece.
void write_hf_directory(const std::filesystem::path& directory, const ModelView& weights,
                        DType dtype = DType::kFp32);

}  // namespace anemone
