#include "anemone/weights/rotary_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "anemone/base/error.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

double base_of(const char* config) { return rotary_base(Json::parse(config), "here"); }

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
TEST(RotaryConfig, IsFoundWhereTransformersFindsIt) {
  EXPECT_EQ(base_of("{}"), 10000);
  EXPECT_EQ(base_of(R"({"rope_theta": 500000.0, "rope_scaling": null})"), 500000);
  EXPECT_EQ(base_of(R"({"rope_scaling": {"type": "default", "rope_theta": 5e5}})"), 500000);
  EXPECT_EQ(base_of(R"({"rope_theta": 1e4, "rope_scaling": {"rope_theta": 5e5}})"), 500000);
  EXPECT_EQ(base_of(R"({"rope_theta": 1e4, "rope_parameters": {"rope_theta": 5e5}})"), 500000);
  EXPECT_EQ(base_of(R"({"rope_theta": null, "rope_parameters": {"rope_theta": 5e5}})"), 500000);
  EXPECT_EQ(base_of(R"({"rope_theta": 77, "rope_scaling": {}})"), 77);
  EXPECT_EQ(base_of(R"({"rope_theta": 5e5, "rope_parameters": {"rope_type": "default"}})"), 500000);
}

TEST(RotaryConfig, KindsOfLayersMayAgree) {
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

TEST(RotaryConfig, WhatIsTurnedOtherwiseIsRefusedByName) {
  const std::pair<const char*, const char*> refused[] = {
      {R"({"rope_scaling": {"type": "linear", "factor": 2.0}})", "'rope_scaling' has type"},
      {R"({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}})", "'rope_scaling' has "},
      {R"({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}})", "rope_type \"yarn\""},
      {R"({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}})",
       "'rope_parameters' has full_attention.rope_type"},
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

}  // namespace
}  // namespace anemone
