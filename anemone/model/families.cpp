#include "anemone/model/families.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"
#include "anemone/model/config_json.h"
#include "anemone/model/config_keys.h"
#include "anemone/model/layer_kinds.h"
#include "anemone/model/rope_config.h"

namespace anemone {
namespace {

using Json = nlohmann::json;

// What makes a family, and transformers' defaults for it.
struct Family {
  std::string_view model_type, architecture;
  TransformerConfig usual;  // sizes of 0 are the sizes that files must say, or follow from others
  std::string_view activation_key = "hidden_act";
  std::vector<std::string_view> keys;  // that it reads beside those of all families
  // Switches that follow from keys of its own, and back.
  void (*read)(TransformerConfig& config, const Json& json, const std::string& where);
  void (*write)(Json& json, const TransformerConfig& config);
};

// --- keys that several families share ---

void read_attention_bias(TransformerConfig& config, const Json& json, const std::string& where) {
  config.qkv_bias = config.output_bias = flag_or(json, "attention_bias", false, where);
}

void read_biases(TransformerConfig& config, const Json& json, const std::string& where) {
  read_attention_bias(config, json, where);
  config.mlp_bias = flag_or(json, "mlp_bias", false, where);
}

void write_attention_bias(Json& json, const TransformerConfig& config) {
  json["attention_bias"] = config.output_bias;
}

void write_biases(Json& json, const TransformerConfig& config) {
  write_attention_bias(json, config);
  json["mlp_bias"] = config.mlp_bias;
}

// --- families ---

void read_mistral(TransformerConfig& config, const Json& json, const std::string& where) {
  // Missing is transformers' default, null none.
  config.window =
      json.contains("sliding_window") ? size_or(json, "sliding_window", 0, where) : 4096;
  if (config.window > 0) {
    config.layer_kinds.assign(static_cast<size_t>(config.layers), {.sliding = true});
  }
}

void write_mistral(Json& json, const TransformerConfig& config) {
  json["sliding_window"] = config.window > 0 ? Json(config.window) : Json();
}

void read_qwen2(TransformerConfig& config, const Json& json, const std::string& where) {
  read_layer_types(
      config, json, where,
      {.window = 4096, .first_sliding = size_or(json, "max_window_layers", 28, where)});
}

void read_qwen3(TransformerConfig& config, const Json& json, const std::string& where) {
  read_attention_bias(config, json, where);
  read_qwen2(config, json, where);
}

void write_qwen2(Json& json, const TransformerConfig& config) {
  json["max_window_layers"] = config.layers;
  write_layer_types(json, config);
}

void write_qwen3(Json& json, const TransformerConfig& config) {
  write_attention_bias(json, config);
  write_qwen2(json, config);
}

void read_smollm3(TransformerConfig& config, const Json& json, const std::string& where) {
  read_biases(config, json, where);
  read_layers_without_rope(config, json, where);
}

void write_smollm3(Json& json, const TransformerConfig& config) {
  write_biases(json, config);
  write_layer_types(json, config);
  write_layers_without_rope(json, config);
}

void read_gemma3(TransformerConfig& config, const Json& json, const std::string& where) {
  read_attention_bias(config, json, where);
  const char* key = json.contains("_sliding_window_pattern") ? "_sliding_window_pattern"
                                                             : "sliding_window_pattern";
  read_layer_types(config, json, where,
                   {.window = 4096, .always = true, .full_every = size_or(json, key, 6, where)});
  config.embedding_scale = std::sqrt(static_cast<double>(config.dim));
  const int64_t scalar = size_or(json, "query_pre_attn_scalar", 256, where);
  if (scalar < 1) fail(where, fmt::format("'query_pre_attn_scalar' is {}", scalar));
  config.attention_scale = 1 / std::sqrt(static_cast<double>(scalar));
}

void write_gemma3(Json& json, const TransformerConfig& config) {
  write_attention_bias(json, config);
  write_layer_types(json, config);
  json.erase("use_sliding_window");
  // Whole: transformers 5 refuses any other number.
  json["query_pre_attn_scalar"] =
      std::llround(1 / (config.attention_scale * config.attention_scale));
}

SpecialTokens tokens(std::optional<int64_t> bos, std::vector<int64_t> eos,
                     std::optional<int64_t> pad = std::nullopt) {
  return {bos, std::move(eos), pad};
}

// The numbers are the defaults of transformers 5.24.0.
const std::vector<Family>& families() {
  static const std::vector<Family> kFamilies = {
      {.model_type = "llama",
       .architecture = "LlamaForCausalLM",
       .usual = {.max_sequence = 2048, .norm_epsilon = 1e-6, .tied_classifier = false},
       .keys = {"attention_bias", "mlp_bias"},
       .read = read_biases,
       .write = write_biases},
      {.model_type = "mistral",
       .architecture = "MistralForCausalLM",
       .usual =
           {.kv_heads = 8, .max_sequence = 131072, .norm_epsilon = 1e-6, .tied_classifier = false},
       .keys = {"sliding_window"},
       .read = read_mistral,
       .write = write_mistral},
      {.model_type = "qwen2",
       .architecture = "Qwen2ForCausalLM",
       .usual = {.kv_heads = 32,
                 .max_sequence = 32768,
                 .norm_epsilon = 1e-6,
                 .tied_classifier = false,
                 .special = tokens({}, {}),
                 .qkv_bias = true},
       .keys = {"sliding_window", "use_sliding_window", "layer_types"},
       .read = read_qwen2,
       .write = write_qwen2},
      {.model_type = "qwen3",
       .architecture = "Qwen3ForCausalLM",
       .usual = {.kv_heads = 32,
                 .head_size = 128,
                 .max_sequence = 32768,
                 .norm_epsilon = 1e-6,
                 .tied_classifier = false,
                 .special = tokens({}, {}),
                 .qk_norm = QkNorm::kPerHead},
       .keys = {"attention_bias", "sliding_window", "use_sliding_window", "layer_types"},
       .read = read_qwen3,
       .write = write_qwen3},
      {.model_type = "smollm3",
       .architecture = "SmolLM3ForCausalLM",
       .usual = {.kv_heads = 4,
                 .max_sequence = 32768,
                 .norm_epsilon = 1e-6,
                 .tied_classifier = true,
                 .special = tokens(128000, {128001}, 128004),
                 .rope = {.theta = 2000000}},
       .keys = {"attention_bias", "mlp_bias", "sliding_window", "use_sliding_window", "layer_types",
                "no_rope_layers", "no_rope_layer_interval"},
       .read = read_smollm3,
       .write = write_smollm3},
      {.model_type = "gemma3_text",
       .architecture = "Gemma3ForCausalLM",
       .usual = {.kv_heads = 4,
                 .head_size = 256,
                 .max_sequence = 131072,
                 .norm_epsilon = 1e-6,
                 .tied_classifier = true,
                 .special = tokens(2, {1}, 0),
                 .rope = {.theta = 1000000},
                 .sliding_rope = Rope{.theta = 10000},
                 .qk_norm = QkNorm::kPerHead,
                 .norms_after = true,
                 .norm_adds_one = true,
                 .activation = Activation::kGeluTanh},
       .activation_key = "hidden_activation",
       .keys = {"attention_bias", "sliding_window", "layer_types", "sliding_window_pattern",
                "_sliding_window_pattern", "query_pre_attn_scalar", "hidden_activation",
                "rope_local_base_freq"},
       .read = read_gemma3,
       .write = write_gemma3},
      {.model_type = "olmo2",
       .architecture = "Olmo2ForCausalLM",
       .usual = {.max_sequence = 2048,
                 .norm_epsilon = 1e-5,
                 .tied_classifier = false,
                 .special = tokens({}, {50279}, 1),
                 .qk_norm = QkNorm::kAllHeads,
                 .norms_before = false,
                 .norms_after = true},
       .keys = {"attention_bias"},
       .read = read_attention_bias,
       .write = write_attention_bias},
  };
  return kFamilies;
}

const Family& family_of(const Json& json, const std::string& where) {
  const Json* type = find_key(json, "model_type");
  if (!type) fail(where, "has no 'model_type'", "is this the config.json of a language model?");
  for (const Family& family : families()) {
    if (*type == family.model_type) return family;
  }
  refuse_value("model_type", *type, where,
               fmt::format("it runs models of type {}", fmt::join(family_names(), ", ")));
}

const Family& family_named(const std::string& model_type) {
  for (const Family& family : families()) {
    if (family.model_type == model_type) return family;
  }
  fail("model", fmt::format("'{}' is no family that Anemone knows", model_type));
}

// What a family computes is fixed; the key may only say it again.
void check_activation(const Family& family, const Json& json, const std::string& where) {
  const bool is_silu = family.usual.activation == Activation::kSilu;
  for (const std::string_view key : {family.activation_key, std::string_view("hidden_act")}) {
    const Json* given = find_key(json, std::string(key).c_str());
    if (!given) continue;
    const bool fits = is_silu ? *given == "silu" || *given == "swish"
                              : *given == "gelu_pytorch_tanh" || *given == "gelu_tanh";
    if (!fits) {
      refuse_value(
          std::string(key), *given, where,
          fmt::format("{} computes {}", family.model_type, is_silu ? "silu" : "gelu_pytorch_tanh"));
    }
    return;
  }
}

void read_sizes(TransformerConfig& config, const Json& json, const std::string& where) {
  config.vocab_size = require_size(json, "vocab_size", where);
  config.dim = require_size(json, "hidden_size", where);
  config.hidden_dim = require_size(json, "intermediate_size", where);
  config.layers = require_size(json, "num_hidden_layers", where);
  config.heads = require_size(json, "num_attention_heads", where);
  // Missing is the family's default, null as many as heads.
  const int64_t usual = json.contains("num_key_value_heads") ? 0 : config.kv_heads;
  config.kv_heads = size_or(json, "num_key_value_heads", usual > 0 ? usual : config.heads, where);
  const int64_t split = config.heads > 0 ? config.dim / config.heads : 0;
  config.head_size =
      size_or(json, "head_dim", config.head_size > 0 ? config.head_size : split, where);
  config.max_sequence = size_or(json, "max_position_embeddings", config.max_sequence, where);
  // What is said of layers is read for each of them.
  if (config.layers > 1024)
    fail(where, fmt::format("layers is {}, outside 1..1024", config.layers));
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

void read_special_tokens(SpecialTokens& special, const Json& json, const std::string& where) {
  special.bos = token_or(json, "bos_token_id", special.bos, where);
  special.pad = token_or(json, "pad_token_id", special.pad, where);
  if (!json.contains("eos_token_id")) return;
  const Json& eos = json["eos_token_id"];
  special.eos.clear();
  if (eos.is_array()) {
    for (const Json& id : eos) special.eos.push_back(token_id(id, "eos_token_id", where));
  } else if (!eos.is_null()) {
    special.eos.push_back(token_id(eos, "eos_token_id", where));
  }
}

void write_special_tokens(Json& json, const SpecialTokens& special) {
  json["bos_token_id"] = special.bos ? Json(*special.bos) : Json();
  json["eos_token_id"] = special.eos.empty()       ? Json()
                         : special.eos.size() == 1 ? Json(special.eos[0])
                                                   : Json(special.eos);
  json["pad_token_id"] = special.pad ? Json(*special.pad) : Json();
}

}  // namespace

std::vector<std::string_view> family_names() {
  std::vector<std::string_view> names;
  for (const Family& family : families()) names.push_back(family.model_type);
  return names;
}

TransformerConfig config_from_json(const Json& json, const std::string& where,
                                   std::vector<std::string>* notes) {
  if (!json.is_object()) fail(where, "is not a JSON object");
  const Family& family = family_of(json, where);
  check_activation(family, json, where);
  TransformerConfig config = family.usual;
  config.model_type = family.model_type;
  read_sizes(config, json, where);
  config.norm_epsilon = number_or(json, "rms_norm_eps", config.norm_epsilon, where);
  config.tied_classifier = flag_or(json, "tie_word_embeddings", config.tied_classifier, where);
  read_special_tokens(config.special, json, where);
  RopeDefaults defaults{config.rope.theta, {}, config.max_sequence};
  if (config.sliding_rope) defaults.sliding_theta = config.sliding_rope->theta;
  const ModelRopes ropes = read_ropes(json, defaults, where);
  config.rope = ropes.full;
  config.sliding_rope = ropes.sliding;
  family.read(config, json, where);
  std::vector<std::string> found;
  check_config_keys(json, family.keys, where, found);
  if (notes) notes->insert(notes->end(), found.begin(), found.end());
  config.validate(where);
  return config;
}

Json to_json(const TransformerConfig& config) {
  const Family& family = family_named(config.model_type);
  Json json = {{"architectures", {family.architecture}},
               {"model_type", family.model_type},
               {"vocab_size", config.vocab_size},
               {"hidden_size", config.dim},
               {"intermediate_size", config.hidden_dim},
               {"num_hidden_layers", config.layers},
               {"num_attention_heads", config.heads},
               {"num_key_value_heads", config.kv_heads},
               {"head_dim", config.head_size},
               {"max_position_embeddings", config.max_sequence},
               {"rms_norm_eps", config.norm_epsilon},
               {"tie_word_embeddings", config.tied_classifier},
               {"torch_dtype", "float32"}};
  json[std::string(family.activation_key)] =
      config.activation == Activation::kSilu ? "silu" : "gelu_pytorch_tanh";
  write_ropes(json, {config.rope, config.sliding_rope});
  write_special_tokens(json, config.special);
  family.write(json, config);
  return json;
}

}  // namespace anemone
