#include "anemone/model/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"
#include "anemone/model/config_json.h"

namespace anemone {
namespace {

using Json = nlohmann::json;

// Read by config_from_json and read_ropes.
constexpr std::string_view kRead[] = {
    "model_type",          "vocab_size",
    "hidden_size",         "intermediate_size",
    "num_hidden_layers",   "num_attention_heads",
    "num_key_value_heads", "head_dim",
    "rms_norm_eps",        "max_position_embeddings",
    "hidden_act",          "tie_word_embeddings",
    "rope_theta",          "rope_scaling",
    "rope_parameters",     "partial_rotary_factor",
    "bos_token_id",        "eos_token_id",
    "pad_token_id",
};

// Say nothing about what the model computes, whatever their value. Names, bookkeeping and defaults
// of generation: what PretrainedConfig of transformers 4 and 5 and common tools write.
constexpr std::string_view kHarmless[] = {
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_attn_implementation_internal",
    "_auto_class",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_name_or_path",
    "architectures",
    "attn_implementation",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token",
    "cache_implementation",
    "chunk_size_feed_forward",
    "custom_pipelines",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "eos_token",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "id2label",
    "ignore_keys_at_rope_validation",
    "initializer_range",
    "is_decoder",
    "is_llama_config",
    "keys_to_ignore_at_inference",
    "label2id",
    "length_penalty",
    "loss_type",
    "mask_token_id",
    "max_length",
    "max_new_tokens",
    "max_seq_len",
    "max_seq_length",
    "max_sequence_length",
    "max_window_layers",
    "min_length",
    "model_max_length",
    "model_name",
    "name",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_logits_to_keep",
    "num_return_sequences",
    "original_max_position_embeddings",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_token",
    "pad_vocab_size_multiple",
    "prefix",
    "pretraining_tp",  // the same products in slices
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "seq_length",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unk_token",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
    "use_flash_attention",
    "use_sdpa",
    "vocab_padding_multiple",
};

// Dropout and the like: what was done while the model was trained.
constexpr std::string_view kTrainingOnly[] = {
    "attention_dropout", "attn_pdrop",  "embd_pdrop",       "embedding_dropout", "hidden_dropout",
    "mlp_dropout",       "resid_pdrop", "residual_dropout", "dropout",
};

enum class Off { kFalse, kZero, kOne, kEmpty };

// Change the model unless they are off.
struct Switch {
  std::string_view key;
  Off off;
};

constexpr Switch kSwitches[] = {
    {"add_cross_attention", Off::kFalse},
    {"alibi", Off::kFalse},
    {"attention_bias", Off::kFalse},
    {"attention_in_bias", Off::kFalse},
    {"attention_out_bias", Off::kFalse},
    {"attention_sink", Off::kFalse},
    {"attn_logit_softcapping", Off::kZero},
    {"bias", Off::kFalse},
    {"clip_qkv", Off::kZero},
    {"embedding_multiplier", Off::kOne},
    {"final_logit_softcapping", Off::kZero},
    {"is_encoder_decoder", Off::kFalse},
    {"is_quantized", Off::kFalse},
    {"logit_scale", Off::kOne},
    {"logits_scaling", Off::kOne},
    {"lm_head_bias", Off::kFalse},
    {"mlp_bias", Off::kFalse},
    {"moe", Off::kFalse},
    {"no_rope_layers", Off::kEmpty},
    {"num_experts", Off::kZero},
    {"num_local_experts", Off::kZero},
    {"num_nextn_predict_layers", Off::kZero},
    {"pruned_heads", Off::kEmpty},
    {"qk_layernorm", Off::kFalse},
    {"qk_norm", Off::kFalse},
    {"qkv_bias", Off::kFalse},
    {"residual_multiplier", Off::kOne},
    {"rope_interleaved", Off::kFalse},
    {"scale_embeddings", Off::kFalse},
    {"sliding_window", Off::kZero},
    {"tie_encoder_decoder", Off::kFalse},
    {"use_parallel_residual", Off::kFalse},
    {"use_qk_norm", Off::kFalse},
    {"use_bidirectional_attention", Off::kFalse},
    {"use_sliding_window", Off::kFalse},
};

bool contains(std::span<const std::string_view> keys, const std::string& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool is_number(const Json& value, double number) { return value.is_number() && value == number; }

bool is_off(const Json& value, Off off) {
  switch (off) {
    case Off::kFalse:
      return value == false;
    case Off::kZero:
      return is_number(value, 0);
    case Off::kOne:
      return is_number(value, 1);
    case Off::kEmpty:
      return value.is_structured() && value.empty();
  }
  return false;
}

// What the object of a quantized checkpoint says about itself.
void refuse_quantized(const std::string& key, const Json& value, const std::string& where) {
  const Json* method = value.is_object() ? find_key(value, "quant_method") : nullptr;
  const Json* bits = value.is_object() ? find_key(value, "bits") : nullptr;
  std::string how = method && method->is_string() ? " by " + method->get<std::string>() : "";
  if (how.empty() && key == "quantization") how = " by MLX";
  if (bits && bits->is_number_integer()) how += fmt::format(", to {} bits", brief(*bits));
  fail(where, fmt::format("'{}' says that the weights are quantized{}", key, how),
       "Anemone reads fp32, fp16 and bf16 weights");
}

// Layers that all see everything before them are what most families have.
void check_layer_types(const Json& value, const std::string& where) {
  if (!value.is_array()) refuse_value("layer_types", value, where);
  for (const Json& type : value) {
    if (type != "full_attention") {
      fail(where, fmt::format("'layer_types' has {}: Anemone cannot run such a model", brief(type)),
           "it runs full_attention alone");
    }
  }
}

// Whether the key is one of those with a check of its own.
bool has_own_check(const std::string& key, const Json& value, const std::string& where) {
  if (key == "layer_types") {
    check_layer_types(value, where);
  } else if (key == "quantization_config" || key == "quantization" || key == "compression_config") {
    refuse_quantized(key, value, where);
  } else if (key == "auto_map") {
    fail(where,
         "'auto_map' names Python code that belongs to the model, which may compute anything",
         "remove the key from config.json if the model is just what its model_type says");
  } else {
    return false;
  }
  return true;
}

void check_key(const std::string& key, const Json& value, const std::string& where,
               std::vector<std::string>& notes) {
  if (value.is_null() || contains(kRead, key) || contains(kHarmless, key)) return;
  if (contains(kTrainingOnly, key)) {
    if (is_number(value, 0)) return;
    notes.push_back(
        fmt::format("{}: '{}' is {}; Anemone trains without dropout", where, key, brief(value)));
    return;
  }
  const auto* found = std::find_if(std::begin(kSwitches), std::end(kSwitches),
                                   [&](const Switch& known) { return known.key == key; });
  if (found != std::end(kSwitches)) {
    if (!is_off(value, found->off)) refuse_value(key, value, where);
    return;
  }
  if (has_own_check(key, value, where)) return;
  fail(where,
       fmt::format("'{}' is {}: Anemone does not know this key, and it may change the model", key,
                   brief(value)),
       "remove it from config.json if the model does not depend on it");
}

}  // namespace

void check_config_keys(const Json& config, std::span<const std::string_view> family,
                       const std::string& where, std::vector<std::string>& notes) {
  for (const auto& [key, value] : config.items()) {
    if (!contains(family, key)) check_key(key, value, where, notes);
  }
}

}  // namespace anemone
