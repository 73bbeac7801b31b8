#include "anemone/weights/llama_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "anemone/base/error.h"

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

TEST(LlamaConfig, PresetsHaveTheirPublishedParameterCounts) {
  EXPECT_EQ(llama_preset("stories260k")->parameter_count(), 260032);
  EXPECT_EQ(llama_preset("stories15m")->parameter_count(), 15191712);
  EXPECT_EQ(llama_preset("stories42m")->parameter_count(), 41689600);
  EXPECT_EQ(llama_preset("stories110m")->parameter_count(), 109529856);
  EXPECT_NEAR(static_cast<double>(llama_preset("demo")->parameter_count()), 1e6, 2e5);
  EXPECT_EQ(llama_preset("stories7b"), std::nullopt);
}

TEST(LlamaConfig, EveryPresetIsValidAndSurvivesJson) {
  for (const std::string& name : llama_preset_names()) {
    const LlamaConfig config = *llama_preset(name);
    EXPECT_NO_THROW(config.validate(name));
    EXPECT_EQ(config.head_size * config.heads, config.dim) << name;
    EXPECT_EQ(config_from_json(Json::parse(to_json(config).dump()), name), config);
  }
}

TEST(LlamaConfig, ReadsHuggingFaceKeysAndTheirDefaults) {
  const LlamaConfig config = config_from_json(tiny_llama(), "here");
  EXPECT_EQ(config.parameter_count(), 1100048384);  // as published
  EXPECT_EQ(config.head_size, 64);
  EXPECT_EQ(config.rope_theta, 10000);

  Json bare = tiny_llama();
  for (const char* key : {"num_key_value_heads", "rms_norm_eps", "tie_word_embeddings",
                          "max_position_embeddings", "hidden_act"}) {
    bare.erase(key);
  }
  const LlamaConfig defaults = config_from_json(bare, "here");
  EXPECT_EQ(defaults.kv_heads, 32);
  EXPECT_EQ(defaults.norm_epsilon, 1e-6);
  EXPECT_FALSE(defaults.tied_classifier);
  EXPECT_EQ(defaults.max_sequence, 2048);
}

TEST(LlamaConfig, ReadsTheNewerRotaryParameters) {
  Json json = tiny_llama();
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 500000.0}};
  EXPECT_EQ(config_from_json(json, "here").rope_theta, 500000);
  json["rope_parameters"]["rope_type"] = "yarn";
  EXPECT_THAT(error_of(json), HasSubstr("'rope_parameters'"));
}

TEST(LlamaConfig, RefusesModelsThatWouldRunWrongNamingTheKey) {
  const std::pair<const char*, Json> changes[] = {
      {"model_type", "mistral"},
      {"hidden_act", "gelu"},
      {"attention_bias", true},
      {"mlp_bias", true},
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

TEST(LlamaConfig, NumbersOutOfRangeAreNamed) {
  const auto message = [](const std::function<void(LlamaConfig&)>& change) {
    LlamaConfig config = *llama_preset("stories260k");
    change(config);
    return error_of([&] { config.validate("here"); });
  };
  EXPECT_EQ(message([](LlamaConfig& c) { c.dim = 0; }), "dim is 0, outside 1..131072");
  EXPECT_THAT(message([](LlamaConfig& c) { c.vocab_size = INT64_MAX; }), HasSubstr("vocab_size"));
  EXPECT_EQ(message([](LlamaConfig& c) { c.kv_heads = 3; }),
            "8 heads cannot share 3 kv_heads evenly");
  EXPECT_THAT(message([](LlamaConfig& c) { c.head_size = 7; }), HasSubstr("even"));
  EXPECT_THAT(message([](LlamaConfig& c) { c.rope_theta = NAN; }), HasSubstr("rope_theta"));
  EXPECT_THAT(message([](LlamaConfig& c) { c.norm_epsilon = NAN; }), HasSubstr("norm_epsilon"));
}

}  // namespace
}  // namespace anemone
