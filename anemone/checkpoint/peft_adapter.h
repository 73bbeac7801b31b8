// Adapters as PEFT has them: a directory with adapter_config.json and adapter_model.safetensors.
#pragma once

#include <filesystem>
#include <string>

#include "anemone/checkpoint/model_weights.h"

namespace anemone {

// Whether the directory has an adapter_config.json.
bool is_adapter(const std::filesystem::path& directory);

// The model that an adapter was trained beside, as its adapter_config.json says; empty where it
// says none.
std::string adapter_base(const std::filesystem::path& directory);

// Gives `weights` an adapter whose product is zero: A is random, from `seed`, B is 0.
void add_adapter(ModelWeights& weights, const Lora& lora, uint64_t seed);

// Gives `weights` the adapter of a directory. Throws Error for another kind of adapter than LoRA of
// linear layers, for settings that Anemone does not compute, and for tensors that do not fit the
// model.
void load_adapter(ModelWeights& weights, const std::filesystem::path& directory);

// Writes the adapter of `weights`, which have one, as files that PEFT loads. `base`: the model it
// belongs to.
void write_adapter(const std::filesystem::path& directory, const ModelView& weights,
                   const std::string& base);

// Adds the products of the adapter to the weights they stand beside: W + scale * B A, in double.
// Nothing is left of the adapter.
void merge_adapter(ModelWeights& weights);

}  // namespace anemone
