#include "anemone/weights/llama_config.h"

#include <fmt/format.h>

#include <cmath>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"
#include "anemone/weights/config_json.h"
#include "anemone/weights/config_keys.h"
#include "anemone/weights/rotary_config.h"

namespace anemone {
namespace {

using Json = nlohmann::json;

struct Limit {
  const char* name;
  int64_t LlamaConfig::*size;
  int64_t maximum;
};

// Far above any published model, and low enough that no product of sizes leaves 63 bits.
constexpr Limit kLimits[] = {
    {"vocab_size", &LlamaConfig::vocab_size, int64_t{1} << 24},
    {"dim", &LlamaConfig::dim, int64_t{1} << 17},
    {"hidden_dim", &LlamaConfig::hidden_dim, int64_t{1} << 19},
    {"layers", &LlamaConfig::layers, 1024},
    {"heads", &LlamaConfig::heads, 1024},
    {"kv_heads", &LlamaConfig::kv_heads, 1024},
    {"head_size", &LlamaConfig::head_size, 4096},
    {"max_sequence", &LlamaConfig::max_sequence, int64_t{1} << 24},
};

struct Preset {
  std::string_view name;
  LlamaConfig config;
};

// Sizes of the stories models: https://github.com/karpathy/llama2.c, "models".
//                 vocab  dim  hidden layers heads kv K sequence
const Preset kPresets[] = {
    {"demo", {1024, 128, 352, 4, 4, 2, 32, 256}},
    {"stories260k", {512, 64, 172, 5, 8, 4, 8, 512}},
    {"stories15m", {32000, 288, 768, 6, 6, 6, 48, 256}},
    {"stories42m", {32000, 512, 1376, 8, 8, 8, 64, 1024}},
    {"stories110m", {32000, 768, 2048, 12, 12, 12, 64, 1024}},
};

void refuse_other_models(const Json& json, const std::string& where) {
  const Json* type = find_key(json, "model_type");
  if (!type) fail(where, "has no 'model_type'", "is this the config.json of a Llama model?");
  if (*type != "llama") refuse_value("model_type", *type, where, "it runs models of type llama");
  const Json* activation = find_key(json, "hidden_act");
  if (activation && *activation != "silu" && *activation != "swish") {
    refuse_value("hidden_act", *activation, where, "it computes silu");
  }
}

int64_t token_id(const Json& value, const char* key, const std::string& where) {
  if (!value.is_number_integer() || value < INT32_MIN || value > INT32_MAX) {
    fail(where, fmt::format("'{}' is {}, not a token id", key, brief(value)));
  }
  return value.get<int64_t>();
}

// A missing key is transformers' default, null is no token.
std::optional<int64_t> token_or(const Json& json, const char* key, std::optional<int64_t> missing,
                                const std::string& where) {
  if (!json.contains(key)) return missing;
  if (json[key].is_null()) return std::nullopt;
  return token_id(json[key], key, where);
}

SpecialTokens special_tokens(const Json& json, const std::string& where) {
  SpecialTokens special;
  special.bos = token_or(json, "bos_token_id", special.bos, where);
  special.pad = token_or(json, "pad_token_id", special.pad, where);
  if (!json.contains("eos_token_id")) return special;
  const Json& eos = json["eos_token_id"];
  special.eos.clear();
  if (eos.is_array()) {
    for (const Json& id : eos) special.eos.push_back(token_id(id, "eos_token_id", where));
  } else if (!eos.is_null()) {
    special.eos.push_back(token_id(eos, "eos_token_id", where));
  }
  return special;
}

void write_special_tokens(Json& json, const SpecialTokens& special) {
  json["bos_token_id"] = special.bos ? Json(*special.bos) : Json();
  json["eos_token_id"] = special.eos.empty()       ? Json()
                         : special.eos.size() == 1 ? Json(special.eos[0])
                                                   : Json(special.eos);
  if (special.pad) json["pad_token_id"] = *special.pad;
}

}  // namespace

void LlamaConfig::validate(const std::string& where) const {
  for (const Limit& limit : kLimits) {
    const int64_t size = this->*limit.size;
    if (size < 1 || size > limit.maximum) {
      fail(where, fmt::format("{} is {}, outside 1..{}", limit.name, size, limit.maximum));
    }
  }
  if (heads % kv_heads != 0) {
    fail(where, fmt::format("{} heads cannot share {} kv_heads evenly", heads, kv_heads));
  }
  if (head_size % 2 != 0) {
    fail(where, fmt::format("head_size is {}, but rotary positions need an even one", head_size));
  }
  if (!std::isfinite(rope_theta) || rope_theta <= 0) {
    fail(where, fmt::format("rope_theta is {}, not a positive number", rope_theta));
  }
  if (!(norm_epsilon > 0 && norm_epsilon < 1)) {
    fail(where, fmt::format("norm_epsilon is {}, outside 0..1", norm_epsilon));
  }
}

int64_t LlamaConfig::parameter_count() const {
  const int64_t attention = 2 * heads * head_size * dim + 2 * kv_heads * head_size * dim;
  const int64_t feed_forward = 3 * hidden_dim * dim;
  const int64_t tables = (tied_classifier ? 1 : 2) * vocab_size * dim;
  return tables + layers * (attention + feed_forward + 2 * dim) + dim;
}

std::optional<LlamaConfig> llama_preset(std::string_view name) {
  for (const Preset& preset : kPresets) {
    if (preset.name == name) return preset.config;
  }
  return std::nullopt;
}

std::vector<std::string> llama_preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

Json to_json(const LlamaConfig& config) {
  Json json = {{"architectures", {"LlamaForCausalLM"}},
               {"model_type", "llama"},
               {"vocab_size", config.vocab_size},
               {"hidden_size", config.dim},
               {"intermediate_size", config.hidden_dim},
               {"num_hidden_layers", config.layers},
               {"num_attention_heads", config.heads},
               {"num_key_value_heads", config.kv_heads},
               {"head_dim", config.head_size},
               {"max_position_embeddings", config.max_sequence},
               {"rope_theta", config.rope_theta},
               {"rms_norm_eps", config.norm_epsilon},
               {"tie_word_embeddings", config.tied_classifier},
               {"hidden_act", "silu"},
               {"attention_bias", false},
               {"mlp_bias", false},
               {"torch_dtype", "float32"}};
  write_special_tokens(json, config.special);
  return json;
}

LlamaConfig config_from_json(const Json& json, const std::string& where,
                             std::vector<std::string>* notes) {
  if (!json.is_object()) fail(where, "is not a JSON object");
  refuse_other_models(json, where);
  LlamaConfig config;
  config.vocab_size = require_size(json, "vocab_size", where);
  config.dim = require_size(json, "hidden_size", where);
  config.hidden_dim = require_size(json, "intermediate_size", where);
  config.layers = require_size(json, "num_hidden_layers", where);
  config.heads = require_size(json, "num_attention_heads", where);
  config.kv_heads = size_or(json, "num_key_value_heads", config.heads, where);
  const int64_t usual_head_size = config.heads > 0 ? config.dim / config.heads : 0;
  config.head_size = size_or(json, "head_dim", usual_head_size, where);
  config.max_sequence = size_or(json, "max_position_embeddings", 2048, where);
  config.rope_theta = rotary_base(json, where);
  config.norm_epsilon = number_or(json, "rms_norm_eps", 1e-6, where);
  config.tied_classifier = flag_or(json, "tie_word_embeddings", false, where);
  config.special = special_tokens(json, where);
  std::vector<std::string> found;
  check_config_keys(json, where, found);
  if (notes) notes->insert(notes->end(), found.begin(), found.end());
  config.validate(where);
  return config;
}

}  // namespace anemone
