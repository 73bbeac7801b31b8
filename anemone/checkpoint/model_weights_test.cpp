#include "anemone/checkpoint/model_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/checkpoint/test_weights.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

std::string error_of(const ModelWeights& weights) {
  try {
    check(weights, "model");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ModelWeights, ExpectedTensorsAddUpToTheParameterCount) {
  for (const std::string& name : model_preset_names()) {
    TransformerConfig config = *model_preset(name);
    for (bool tied : {true, false}) {
      config.tied_classifier = tied;
      int64_t total = 0;
      for (const ParameterSpec& tensor : parameters(config)) {
        total += element_count(tensor.shape);
      }
      EXPECT_EQ(total, parameter_count(config)) << name;
    }
  }
}

TEST(ModelWeights, CheckAcceptsExactlyTheExpectedTensors) {
  EXPECT_EQ(error_of(tiny_weights()), "no error");
  ModelWeights missing = tiny_weights();
  missing.tensors.erase("model.layers.1.mlp.up_proj.weight");
  EXPECT_EQ(error_of(missing), "model: tensor 'model.layers.1.mlp.up_proj.weight' is missing");

  ModelWeights extra = tiny_weights();
  extra.tensors["lm_head.weight"] = Tensor(DType::kFp32, {12, 16});
  EXPECT_EQ(error_of(extra), "model: has no place for tensor 'lm_head.weight'");

  ModelWeights reshaped = tiny_weights();
  reshaped.tensors["model.norm.weight"] = Tensor(DType::kFp32, {17});
  EXPECT_THAT(error_of(reshaped),
              HasSubstr("'model.norm.weight': has shape [17], the configuration asks for [16]"));

  ModelWeights narrow = tiny_weights();
  narrow.tensors["model.norm.weight"] = Tensor(DType::kFp16, {16});
  EXPECT_EQ(error_of(narrow), "no error");
  narrow.tensors["model.norm.weight"] = Tensor(DType::kInt8, {16});
  EXPECT_THAT(error_of(narrow), HasSubstr("int8, not fp32, fp16 or bf16"));
}

TEST(ModelWeights, CheckNamesTheElementThatIsNotFinite) {
  ModelWeights weights = tiny_weights();
  weights.tensors["model.norm.weight"].view().set(5, NAN);
  EXPECT_THAT(error_of(weights), HasSubstr("tensor 'model.norm.weight': element 5 is nan"));
  weights.tensors["model.norm.weight"].view().set(5, -INFINITY);
  EXPECT_THAT(error_of(weights), HasSubstr("element 5 is -inf"));
}

TEST(ModelWeights, RotaryPairsMoveBetweenTheTwoOrders) {
  // Two heads of size 4, one column: the value tells head and row.
  const Tensor matrix = Tensor::of<float>({8, 1}, {0, 1, 2, 3, 10, 11, 12, 13});
  permute_rotary_rows(matrix, 4, RotaryRows::kHalfSplitToInterleaved);
  const auto values = matrix.as<float>();
  // Half-split pairs are (0, 2) and (1, 3): they become neighbours.
  EXPECT_THAT(std::vector<float>(values.begin(), values.end()),
              ::testing::ElementsAre(0, 2, 1, 3, 10, 12, 11, 13));
  permute_rotary_rows(matrix, 4, RotaryRows::kInterleavedToHalfSplit);
  EXPECT_THAT(std::vector<float>(values.begin(), values.end()),
              ::testing::ElementsAre(0, 1, 2, 3, 10, 11, 12, 13));
}

TEST(ModelWeights, RotaryPermutationIsItsOwnInverseOnOddShapes) {
  const ModelWeights weights = tiny_weights(true, 6);
  const Tensor& original = weights.tensors.at("model.layers.0.self_attn.q_proj.weight");
  const Tensor copy = original.clone();
  permute_rotary_rows(copy, 6, RotaryRows::kInterleavedToHalfSplit);
  EXPECT_FALSE(same_values(copy, original));
  permute_rotary_rows(copy, 6, RotaryRows::kHalfSplitToInterleaved);
  EXPECT_TRUE(same_values(copy, original));
}

}  // namespace
}  // namespace anemone
