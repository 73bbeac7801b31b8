#include "anemone/model/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "anemone/base/error.h"
#include "anemone/model/parameter_spec.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "here");
    return error.message();
  }
  return "no error";
}

std::string error_of(const Json& json) {
  return error_of([&] { config_from_json(json, "here"); });
}

// The config.json of TinyLlama-1.1B, shortened.
Json tiny_llama() {
  return Json::parse(R"({"architectures":["LlamaForCausalLM"],"bos_token_id":1,"eos_token_id":2,
      "hidden_act":"silu","hidden_size":2048,"intermediate_size":5632,
      "max_position_embeddings":2048,"model_type":"llama","num_attention_heads":32,
      "num_hidden_layers":22,"num_key_value_heads":4,"rms_norm_eps":1e-05,"rope_scaling":null,
      "tie_word_embeddings":false,"torch_dtype":"float32","vocab_size":32000})");
}

TEST(Families, EveryPresetIsValidAndSurvivesJson) {
  for (const std::string& name : model_preset_names()) {
    const TransformerConfig config = *model_preset(name);
    EXPECT_NO_THROW(config.validate(name));
    EXPECT_EQ(config.head_size * config.heads, config.dim) << name;
    TransformerConfig in_halves = config;  // as Hugging Face has all models
    in_halves.rope.interleaved = false;
    EXPECT_EQ(config_from_json(Json::parse(to_json(config).dump()), name), in_halves);
  }
}

TEST(Families, ReadsHuggingFaceKeysAndTheirDefaults) {
  const TransformerConfig config = config_from_json(tiny_llama(), "here");
  EXPECT_EQ(parameter_count(config), 1100048384);  // as published
  EXPECT_EQ(config.head_size, 64);
  EXPECT_EQ(config.rope.theta, 10000);

  Json bare = tiny_llama();
  for (const char* key : {"num_key_value_heads", "rms_norm_eps", "tie_word_embeddings",
                          "max_position_embeddings", "hidden_act"}) {
    bare.erase(key);
  }
  const TransformerConfig defaults = config_from_json(bare, "here");
  EXPECT_EQ(defaults.kv_heads, 32);
  EXPECT_EQ(defaults.norm_epsilon, 1e-6);
  EXPECT_FALSE(defaults.tied_classifier);
  EXPECT_EQ(defaults.max_sequence, 2048);
}

TEST(Families, ReadsTheNewerRotaryParameters) {
  Json json = tiny_llama();
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 500000.0}};
  EXPECT_EQ(config_from_json(json, "here").rope.theta, 500000);
  json["rope_parameters"]["rope_type"] = "longrope";
  EXPECT_THAT(error_of(json), HasSubstr("'rope_parameters'"));
}

TEST(Families, RefusesModelsThatWouldRunWrongNamingTheKey) {
  const std::pair<const char*, Json> changes[] = {
      {"model_type", "mixtral"},
      {"hidden_act", "gelu"},
      {"attention_bias", 1},
      {"rope_scaling", {{"factor", 8.0}, {"rope_type", "llama3"}}},
      {"quantization_config", Json::object()},
      {"hidden_size", "wide"},
      {"hidden_size", 1e30},
      {"num_hidden_layers", -1},
      {"rope_theta", "big"},
      {"tie_word_embeddings", 1},
      {"rms_norm_eps", Json::array()},
      {"rope_parameters", 3},
  };
  for (const auto& [key, value] : changes) {
    Json json = tiny_llama();
    json[key] = value;
    EXPECT_THAT(error_of(json), HasSubstr("'" + std::string(key) + "'"));
  }
  EXPECT_THAT(error_of(Json::array()), HasSubstr("not a JSON object"));
  Json json = tiny_llama();
  json.erase("vocab_size");
  EXPECT_EQ(error_of(json), "has no 'vocab_size'");
}

// What TransformerConfig().to_dict() of transformers 4.57.1 holds beside the keys of tiny_llama().
constexpr const char* kKeysOfTransformers4 = R"({"initializer_range": 0.02, "pretraining_tp": 1,
"use_cache": true, "rope_scaling": null, "attention_bias": false, "attention_dropout": 0.0,
"mlp_bias": false, "return_dict": true, "output_hidden_states": false, "torchscript": false,
"dtype": null, "pruned_heads": {}, "chunk_size_feed_forward": 0, "is_encoder_decoder": false,
"is_decoder": false, "cross_attention_hidden_size": null, "add_cross_attention": false,
"tie_encoder_decoder": false, "architectures": null, "finetuning_task": null,
"id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1},
"task_specific_params": null, "problem_type": null, "tokenizer_class": null, "prefix": null,
"pad_token_id": null, "sep_token_id": null, "decoder_start_token_id": null, "max_length": 20,
"min_length": 0, "do_sample": false, "early_stopping": false, "num_beams": 1, "temperature": 1.0,
"top_k": 50, "top_p": 1.0, "typical_p": 1.0, "repetition_penalty": 1.0, "length_penalty": 1.0,
"no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0, "bad_words_ids": null,
"num_return_sequences": 1, "output_scores": false, "return_dict_in_generate": false,
"forced_bos_token_id": null, "forced_eos_token_id": null, "remove_invalid_values": false,
"exponential_decay_length_penalty": null, "suppress_tokens": null, "begin_suppress_tokens": null,
"num_beam_groups": 1, "diversity_penalty": 0.0, "_name_or_path": "",
"transformers_version": "4.57.1", "tf_legacy_loss": false, "use_bfloat16": false,
"output_attentions": false})";

TEST(Families, TakesEveryKeyThatTransformersWrites) {
  Json json = tiny_llama();
  json.update(Json::parse(kKeysOfTransformers4));
  EXPECT_EQ(error_of(json), "no error");
  // Version 5.24.0 has fewer, and moves rope_theta.
  json.erase("rope_theta");
  json["rope_parameters"] = {{"rope_theta", 10000.0}, {"rope_type", "default"}};
  EXPECT_EQ(error_of(json), "no error");
  // Of published models.
  json["layer_types"] = {"full_attention", "full_attention"};
  json["unsloth_version"] = "2024.9";
  json["rope_interleaved"] = false;
  json["sliding_window"] = nullptr;
  json["somebodys_new_feature"] = nullptr;
  EXPECT_EQ(error_of(json), "no error");
}

TEST(Families, RefusesKeysThatChangeTheModelOrThatNobodyKnows) {
  const std::pair<const char*, Json> changes[] = {
      {"sliding_window", 4096},
      {"layer_types", {"full_attention", "sliding_attention"}},
      {"embedding_multiplier", 12.0},
      {"final_logit_softcapping", 30.0},
      {"num_local_experts", 8},
      {"qk_norm", true},
      {"rope_interleaved", true},
      {"partial_rotary_factor", 0.5},
      {"no_rope_layers", {1, 1, 1, 0}},
      {"auto_map", {{"AutoModelForCausalLM", "modeling_flash_llama.LlamaForCausalLM"}}},
      {"rotary_emb_base", 1000000},
      {"somebodys_new_feature", false},
      {"is_encoder_decoder", true},
  };
  for (const auto& [key, value] : changes) {
    Json json = tiny_llama();
    json[key] = value;
    EXPECT_THAT(error_of(json), HasSubstr("'" + std::string(key) + "'"));
  }
  Json json = tiny_llama();
  json["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}};
  EXPECT_THAT(error_of(json), HasSubstr("quantized by gptq, to 4 bits"));
  json.erase("quantization_config");
  json["quantization"] = {{"group_size", 64}, {"bits", 4}};
  EXPECT_THAT(error_of(json), HasSubstr("quantized by MLX, to 4 bits"));
}

TEST(Families, NotesWhatPlaysNoPart) {
  Json json = tiny_llama();
  json["attention_dropout"] = 0.1;
  std::vector<std::string> notes;
  config_from_json(json, "here", &notes);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("'attention_dropout' is 0.1"));
}

TEST(Families, KeepsTheIdsOfItsMarks) {
  Json json = tiny_llama();
  for (const Json& ids :
       {Json{0, 0, 3}, Json{nullptr, nullptr, -1}, Json{128000, {128001, 128009}, 5}}) {
    json["bos_token_id"] = ids[0];
    json["eos_token_id"] = ids[1];
    json["pad_token_id"] = ids[2];
    const Json written = to_json(config_from_json(json, "here"));
    for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
      EXPECT_EQ(written[key], json[key]) << key;
    }
  }
  // The defaults of transformers.
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) json.erase(key);
  EXPECT_EQ(to_json(config_from_json(json, "here"))["bos_token_id"], 1);
  EXPECT_EQ(to_json(config_from_json(json, "here"))["eos_token_id"], 2);
  json["eos_token_id"] = "</s>";
  EXPECT_THAT(error_of(json), HasSubstr("'eos_token_id' is \"</s>\", not a token id"));
}

}  // namespace
}  // namespace anemone
