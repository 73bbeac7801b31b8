// The numbers that define a Llama-family transformer, and their JSON form.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anemone {

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

// The keys of Hugging Face's config.json (LlamaConfig of transformers). Reading takes that
// library's defaults for missing keys and throws Error at `where` for what Anemone cannot run:
// another model type or activation, biases, scaled rotary positions. The result is valid.
nlohmann::json to_json(const LlamaConfig& config);
LlamaConfig config_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace anemone
