// What a config.json says of single layers: sliding windows, and layers without positions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "anemone/model/transformer_config.h"

namespace anemone {

// Which layers slide where `layer_types` does not say it.
struct SlidingDefaults {
  int64_t window = 0;         // where `sliding_window` is missing
  bool always = false;        // else only with `use_sliding_window`
  int64_t first_sliding = 0;  // layers before see everything
  int64_t full_every = 0;     // every n-th layer sees everything; 0: none by this rule
};

// Reads sliding_window, use_sliding_window and layer_types. Throws Error at `where` for another
// kind of layer, or a list of another length.
void read_layer_types(TransformerConfig& config, const nlohmann::json& json,
                      const std::string& where, const SlidingDefaults& defaults);
void write_layer_types(nlohmann::json& json, const TransformerConfig& config);

// SmolLM3: reads no_rope_layers, where 1 means that a layer has rotary positions, or else
// no_rope_layer_interval; then the sliding layers, which are those without positions.
void read_layers_without_rope(TransformerConfig& config, const nlohmann::json& json,
                              const std::string& where);
void write_layers_without_rope(nlohmann::json& json, const TransformerConfig& config);

}  // namespace anemone
