// The numbers that define a Llama-family transformer, and their JSON form.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anemone {

// Ids that a config.json gives to the marks of a text. Generation goes by the tokenizer's; these
// are kept for the next reader of the model.
struct SpecialTokens {
  std::optional<int64_t> bos = 1;
  std::vector<int64_t> eos = {2};  // several: any of them ends a text; empty: none does
  std::optional<int64_t> pad = std::nullopt;

  bool operator==(const SpecialTokens&) const = default;
};

struct LlamaConfig {
  int64_t vocab_size = 0;  // V
  int64_t dim = 0;         // D
  int64_t hidden_dim = 0;  // F, width of the feed-forward layer
  int64_t layers = 0;
  int64_t heads = 0;         // H
  int64_t kv_heads = 0;      // divides heads; fewer than heads is grouped-query attention
  int64_t head_size = 0;     // K, even; usually dim / heads
  int64_t max_sequence = 0;  // positions the model was made for
  double rope_theta = 10000;
  double norm_epsilon = 1e-5;
  bool tied_classifier = true;  // the classifier is the embedding table
  SpecialTokens special = {};

  // Throws Error(kInvalidInput) at `where` that names the first number out of range.
  void validate(const std::string& where) const;

  // Numbers to train; a tied classifier counts once. The configuration must be valid.
  int64_t parameter_count() const;

  bool operator==(const LlamaConfig&) const = default;
};

// Configurations known by name: stories260k, stories15m, stories42m, stories110m (llama2.c's), and
// demo, about 1 M parameters for our own stories.
std::optional<LlamaConfig> llama_preset(std::string_view name);
std::vector<std::string> llama_preset_names();

// The keys of Hugging Face's config.json (LlamaConfig of transformers 4 and 5). Reading takes that
// library's defaults for missing keys and throws Error at `where` for what Anemone cannot run:
// another model type or activation, biases, scaled rotary positions, and any key it does not know
// (config_keys.h). The result is valid. `notes` gets what plays no part though the file says it.
nlohmann::json to_json(const LlamaConfig& config);
LlamaConfig config_from_json(const nlohmann::json& json, const std::string& where,
                             std::vector<std::string>* notes = nullptr);

}  // namespace anemone
