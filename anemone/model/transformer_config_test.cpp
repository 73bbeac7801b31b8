#include "anemone/model/transformer_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "anemone/base/error.h"
#include "anemone/model/parameter_spec.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

int64_t count(const char* preset) { return parameter_count(*model_preset(preset)); }

TEST(TransformerConfig, PresetsHaveTheirPublishedParameterCounts) {
  EXPECT_EQ(count("stories260k"), 260032);
  EXPECT_EQ(count("stories15m"), 15191712);
  EXPECT_EQ(count("stories42m"), 41689600);
  EXPECT_EQ(count("stories110m"), 109529856);
  EXPECT_NEAR(static_cast<double>(count("demo")), 1e6, 2e5);
  EXPECT_EQ(model_preset("stories7b"), std::nullopt);
}

TEST(TransformerConfig, NumbersOutOfRangeAreNamed) {
  const auto message = [](const std::function<void(TransformerConfig&)>& change) {
    TransformerConfig config = *model_preset("stories260k");
    change(config);
    try {
      config.validate("here");
    } catch (const Error& error) {
      EXPECT_EQ(error.where(), "here");
      return error.message();
    }
    return std::string("no error");
  };
  EXPECT_EQ(message([](TransformerConfig& c) { c.dim = 0; }), "dim is 0, outside 1..131072");
  EXPECT_THAT(message([](TransformerConfig& c) { c.vocab_size = INT64_MAX; }),
              HasSubstr("vocab_size"));
  EXPECT_EQ(message([](TransformerConfig& c) { c.kv_heads = 3; }),
            "8 heads cannot share 3 kv_heads evenly");
  EXPECT_THAT(message([](TransformerConfig& c) { c.head_size = 7; }), HasSubstr("even"));
  EXPECT_THAT(message([](TransformerConfig& c) { c.rope.theta = NAN; }), HasSubstr("rope_theta"));
  EXPECT_THAT(message([](TransformerConfig& c) { c.norm_epsilon = NAN; }),
              HasSubstr("norm_epsilon"));
}

}  // namespace
}  // namespace anemone
