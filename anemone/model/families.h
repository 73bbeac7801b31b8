// Families of models: how a config.json of Hugging Face says what a TransformerConfig says.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/model/transformer_config.h"

namespace anemone {

// The values of `model_type` that Anemone runs: llama, mistral, qwen2, qwen3, smollm3, gemma3_text
// and olmo2.
std::vector<std::string_view> family_names();

// Reads a config.json as transformers 4 and 5 do, with that library's defaults for missing keys.
// Throws Error at `where` for what Anemone cannot run: another model type or activation, scalings
// of rotary positions that it does not know, and any key that it does not know (config_keys.h). The
// result is valid. `notes` gets what plays no part though the file says it.
TransformerConfig config_from_json(const nlohmann::json& json, const std::string& where,
                                   std::vector<std::string>* notes = nullptr);

// A config.json that transformers 4 and 5 read as the same model.
nlohmann::json to_json(const TransformerConfig& config);

}  // namespace anemone
