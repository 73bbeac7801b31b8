#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::pair<const char*, const char*> kFactors[] = {{"depth_to_space", "block_size"},
                                                        {"space_to_depth", "block_size"},
                                                        {"pixel_shuffle", "upscale_factor"},
                                                        {"pixel_unshuffle", "downscale_factor"}};

BuildOne rearrange(const char* op, int64_t factor) {
  return [=](Builder& b, const auto& v) {
    for (const auto& [name, parameter] : kFactors) {
      if (name == std::string(op)) return b.op(op, {{"x", v[0]}, {parameter, b.integer(factor)}});
    }
    return Value{};
  };
}

Value pairs(Builder& b, std::vector<int32_t> amounts) {
  return b.constant(Tensor::of<int32_t>({2, 2}, amounts));
}
BuildOne to_batch(std::vector<int64_t> block, std::vector<int32_t> paddings) {
  return [=](Builder& b, const auto& v) {
    return b.op(
        "space_to_batch",
        {{"x", v[0]}, {"block_shape", b.integers(block)}, {"paddings", pairs(b, paddings)}});
  };
}
BuildOne from_batch(std::vector<int64_t> block, std::vector<int32_t> crops) {
  return [=](Builder& b, const auto& v) {
    return b.op("batch_to_space",
                {{"x", v[0]}, {"block_shape", b.integers(block)}, {"crops", pairs(b, crops)}});
  };
}

Tensor iota(const Shape& shape) {
  Tensor tensor(DType::kFp64, shape);
  for (int64_t i = 0; i < tensor.size(); ++i) tensor.view().set(i, static_cast<double>(i));
  return tensor;
}

// Channels 0 to 7 of one pixel: two of them go to each place of a block of 2 by 2.
TEST(DepthToSpace, TakesThePlaceFirstAndThenTheChannel) {
  const Tensor y = run_one({iota({1, 8, 1, 1})}, rearrange("depth_to_space", 2));
  EXPECT_EQ(y.shape(), (Shape{1, 2, 2, 2}));
  EXPECT_THAT(values(y), ElementsAre(0, 2, 4, 6, 1, 3, 5, 7));
}

TEST(PixelShuffle, TakesTheChannelFirstAndThenThePlace) {
  const Tensor y = run_one({iota({1, 8, 1, 1})}, rearrange("pixel_shuffle", 2));
  EXPECT_EQ(y.shape(), (Shape{1, 2, 2, 2}));
  EXPECT_THAT(values(y), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

TEST(SpaceToDepth, IsTheOtherWayRound) {
  const Tensor x = iota({2, 12, 3, 2});
  const auto both = [](const char* there, const char* back) {
    return [=](Builder& b, const auto& v) {
      return rearrange(back, 2)(b, {rearrange(there, 2)(b, v)});
    };
  };
  EXPECT_EQ(values(run_one({x}, both("depth_to_space", "space_to_depth"))), values(x));
  EXPECT_EQ(values(run_one({x}, both("pixel_shuffle", "pixel_unshuffle"))), values(x));
}

TEST(DepthAndSpace, RulesC1ToC3) {
  for (const auto& [op, parameter] : kFactors) {
    const std::string name = op;
    EXPECT_THAT(refusal({iota({4, 2, 2})}, rearrange(op, 2)), HasSubstr(name + ".c1: x [4, 2, 2]"));
    EXPECT_THAT(refusal({iota({1, 4, 2, 2})}, rearrange(op, 0)),
                HasSubstr(name + ".c2: '" + parameter + "' 0 is not from 1 to 65536"));
    EXPECT_THAT(refusal({iota({1, 4, 2, 2})}, rearrange(op, 3)), HasSubstr(name + ".c3"));
  }
}

TEST(DepthAndSpace, GradientsAgreeWithFiniteDifferences) {
  for (const auto& [op, parameter] : kFactors) {
    expect_gradient({random_tensor({2, 8, 4, 2}, 1)}, rearrange(op, 2));
  }
}

// TensorFlow's example of space_to_batch_nd: the place in the block comes before the image.
TEST(SpaceToBatch, MakesAnImageOfEachPlaceInABlock) {
  const Tensor x = Tensor::of<double>({1, 1, 2, 2}, {1, 2, 3, 4});
  const Tensor y = run_one({x}, to_batch({2, 2}, {0, 0, 0, 0}));
  EXPECT_EQ(y.shape(), (Shape{4, 1, 1, 1}));
  EXPECT_THAT(values(y), ElementsAre(1, 2, 3, 4));
  const Tensor padded = run_one({x}, to_batch({1, 2}, {0, 1, 1, 1}));
  EXPECT_EQ(padded.shape(), (Shape{2, 1, 3, 2}));
  EXPECT_THAT(values(padded), ElementsAre(0, 2, 0, 4, 0, 0, 1, 0, 3, 0, 0, 0));
}

TEST(BatchToSpace, UndoesItAndCrops) {
  const Tensor x = iota({2, 3, 3, 4});
  const auto both = [](Builder& b, const auto& v) {
    const Value there = to_batch({2, 3}, {1, 2, 0, 2})(b, v);
    return from_batch({2, 3}, {1, 2, 0, 2})(b, {there});
  };
  EXPECT_EQ(values(run_one({x}, both)), values(x));
}

TEST(SpaceToBatch, RulesC1ToC3) {
  EXPECT_THAT(refusal({iota({2, 2})}, to_batch({1, 1}, {0, 0, 0, 0})),
              HasSubstr("space_to_batch.c1: x [2, 2] is not [N, C, H, W]"));
  EXPECT_THAT(refusal({iota({1, 1, 2, 2})}, to_batch({1}, {0, 0, 0, 0})),
              HasSubstr("space_to_batch.c2: block_shape is not [2]"));
  EXPECT_THAT(refusal({iota({1, 1, 2, 2})}, to_batch({1, 0}, {0, 0, 0, 0})),
              HasSubstr("space_to_batch.c2: block 0"));
  EXPECT_THAT(refusal({iota({1, 1, 2, 2})}, to_batch({1, 1}, {-1, 0, 0, 0})),
              HasSubstr("space_to_batch.c2: -1 is negative"));
  EXPECT_THAT(refusal({iota({1, 1, 2, 2})}, to_batch({2, 3}, {0, 0, 0, 0})),
              HasSubstr("space_to_batch.c3"));
}

TEST(BatchToSpace, RulesC1ToC4) {
  EXPECT_THAT(refusal({iota({2, 2})}, from_batch({1, 1}, {0, 0, 0, 0})),
              HasSubstr("batch_to_space.c1"));
  EXPECT_THAT(refusal({iota({2, 1, 1, 1})}, from_batch({1, 65537}, {0, 0, 0, 0})),
              HasSubstr("batch_to_space.c2"));
  EXPECT_THAT(refusal({iota({2, 1, 1, 1})}, from_batch({1, 3}, {0, 0, 0, 0})),
              HasSubstr("batch_to_space.c3: a batch of 2 does not make blocks of 1 by 3"));
  EXPECT_THAT(refusal({iota({2, 1, 1, 1})}, from_batch({1, 2}, {0, 0, 1, 1})),
              HasSubstr("batch_to_space.c4: nothing is left of axis 3 of 2"));
}

TEST(SpaceAndBatch, GradientsAgreeWithFiniteDifferences) {
  expect_gradient({random_tensor({2, 2, 3, 4}, 1)}, to_batch({2, 3}, {1, 0, 1, 1}));
  expect_gradient({random_tensor({6, 2, 2, 1}, 2)}, from_batch({2, 3}, {1, 0, 0, 1}));
}

}  // namespace
}  // namespace anemone
