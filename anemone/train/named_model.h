// What `--model` names, for every verb and benchmark: a preset, a llama2.c file, a Hugging Face
// directory, or the directory of a training run, whose newest checkpoint it is. Where that is an
// adapter, it is the model that the adapter belongs to, with the adapter.
#pragma once

#include <string>

#include "anemone/checkpoint/hf_directory.h"

namespace anemone {

bool is_preset(const std::string& model);

// Reads no weights where the model has its configuration in a file of its own. Throws Error for
// what is neither a preset nor a model.
TransformerConfig config_of(const std::string& model, std::vector<std::string>* notes = nullptr);

// Throws Error for a preset too, which has no weights; `flag` is the one that gave the model.
ModelWeights load_weights_of(const std::string& model, const std::string& flag = "--model",
                             ReadAs as = ReadAs::kFp32);

// New weights from `seed` for a preset, otherwise the model's own.
ModelWeights load_or_initialize(const std::string& model, uint64_t seed, ReadAs as = ReadAs::kFp32);

}  // namespace anemone
