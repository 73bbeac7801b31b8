#include "anemone/model/rope_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "anemone/base/error.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

ModelRopes read(const char* config, RopeDefaults defaults = {.positions = 64}) {
  return read_ropes(Json::parse(config), defaults, "here");
}

double base_of(const char* config) { return read(config).full.theta; }

std::string error_of(const char* config) {
  try {
    base_of(config);
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "here");
    EXPECT_NE(error.hint(), "") << config;
    return error.message();
  }
  return "no error";
}

// The base is what LlamaConfig(**config).rope_parameters["rope_theta"] of transformers 5.24.0 says.
TEST(RopeConfig, IsFoundWhereTransformersFindsIt) {
  EXPECT_EQ(base_of("{}"), 10000);
  EXPECT_EQ(base_of(R"({"rope_theta": 500000.0, "rope_scaling": null})"), 500000);
  EXPECT_EQ(base_of(R"({"rope_scaling": {"type": "default", "rope_theta": 5e5}})"), 500000);
  EXPECT_EQ(base_of(R"({"rope_theta": 1e4, "rope_scaling": {"rope_theta": 5e5}})"), 500000);
  EXPECT_EQ(base_of(R"({"rope_theta": 1e4, "rope_parameters": {"rope_theta": 5e5}})"), 500000);
  EXPECT_EQ(base_of(R"({"rope_theta": null, "rope_parameters": {"rope_theta": 5e5}})"), 500000);
  EXPECT_EQ(base_of(R"({"rope_theta": 77, "rope_scaling": {}})"), 77);
  EXPECT_EQ(base_of(R"({"rope_theta": 5e5, "rope_parameters": {"rope_type": "default"}})"), 500000);
}

TEST(RopeConfig, KindsOfLayersMayAgree) {
  EXPECT_EQ(base_of(R"({"rope_parameters": {"full_attention": {"rope_theta": 5e5},
                        "sliding_attention": {"rope_type": "default", "rope_theta": 5e5}}})"),
            500000);
  EXPECT_EQ(base_of(R"({"rope_theta": 5e5, "rope_parameters": {"full_attention": {}}})"), 500000);
  EXPECT_THAT(error_of(R"({"rope_parameters": {"full_attention": {"rope_theta": 5e5},
                           "sliding_attention": {"rope_theta": 1e4}}})"),
              HasSubstr("'rope_parameters' has a base for each kind of layer"));
  // Beside a base for all: so transformers 5 saves an object that it does not understand.
  EXPECT_THAT(error_of(R"({"rope_parameters": {"full_attention": {"rope_theta": 5e5},
                           "rope_theta": 1e4, "rope_type": "default"}})"),
              HasSubstr("10000 for all, 500000 for full_attention"));
}

TEST(RopeConfig, WhatIsTurnedOtherwiseIsRefusedByName) {
  const std::pair<const char*, const char*> refused[] = {
      {R"({"rope_scaling": {"type": "su", "factor": 2.0}})", "'rope_scaling' has type"},
      {R"({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}})", "has no low_freq_factor"},
      {R"({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}})", "has no factor"},
      {R"({"rope_parameters": {"rope_type": "longrope"}})", "rope_type \"longrope\""},
      {R"({"rope_parameters": {"full_attention": {"rope_type": "proportional"}}})",
       "'rope_parameters' has full_attention.rope_type"},
      {R"({"rope_scaling": {"type": "linear", "factor": 2.0, "beta_fast": 8}})", "beta_fast 8"},
      {R"({"rope_scaling": {"type": "linear", "factor": 0.5}})", "is 0.5, less than 1"},
      {R"({"rope_parameters": {"partial_rotary_factor": 0.5}})", "partial_rotary_factor 0.5"},
      {R"({"partial_rotary_factor": 0.25})", "'partial_rotary_factor' is 0.25"},
      {R"({"rope_scaling": {"mrope_section": [16, 24, 24]}})", "mrope_section"},
      {R"({"rope_scaling": {"factor": 2.0}})", "factor 2.0"},
      {R"({"rope_scaling": "linear"})", "'rope_scaling' is \"linear\""},
      {R"({"rope_scaling": {"rope_theta": 1e6}, "rope_parameters": {"rope_theta": 5e5}})",
       "'rope_scaling' says a rope_theta of 1000000, 'rope_parameters' one of 500000"},
  };
  for (const auto& [config, says] : refused) EXPECT_THAT(error_of(config), HasSubstr(says));
  EXPECT_EQ(base_of(R"({"partial_rotary_factor": 1.0, "rope_scaling": {"factor": 1.0,
                        "original_max_position_embeddings": 8192}})"),
            10000);
}

TEST(RopeConfig, ScalingsKeepTheirSettings) {
  const Rope llama3 = read(R"({"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3",
      "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192}})")
                          .full;
  EXPECT_EQ(llama3.scaling, RopeScaling::kLlama3);
  EXPECT_EQ(llama3.theta, 5e5);
  EXPECT_EQ(llama3.original_positions, 8192);
  EXPECT_EQ(read(R"({"rope_scaling": {"type": "dynamic", "factor": 2.0}})").full.scaling,
            RopeScaling::kDynamic);
  // What a file does not say: the model's positions, and 0.1 ln(factor) + 1.
  const Rope yarn = read(R"({"rope_scaling": {"type": "yarn", "factor": 4.0}})").full;
  EXPECT_EQ(yarn.original_positions, 64);
  EXPECT_DOUBLE_EQ(yarn.attention_factor, 0.1 * std::log(4.0) + 1);
}

TEST(RopeConfig, AFamilyMayHaveABaseForSlidingLayers) {
  const RopeDefaults gemma{.theta = 1e6, .sliding_theta = 1e4, .positions = 64};
  EXPECT_EQ(read("{}", gemma).sliding->theta, 1e4);
  EXPECT_EQ(read(R"({"rope_local_base_freq": 77})", gemma).sliding->theta, 77);
  const ModelRopes old = read(R"({"rope_scaling": {"rope_type": "linear", "factor": 8}})", gemma);
  EXPECT_EQ(old.full.factor, 8);
  EXPECT_EQ(old.sliding->scaling, RopeScaling::kNone);
  const ModelRopes both = read(R"({"rope_parameters": {"full_attention": {"rope_theta": 5e5},
                                   "sliding_attention": {"rope_theta": 99}}})",
                               gemma);
  EXPECT_EQ(both.full.theta, 5e5);
  EXPECT_EQ(both.sliding->theta, 99);
}

}  // namespace
}  // namespace anemone
