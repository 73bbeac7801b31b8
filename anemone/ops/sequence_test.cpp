#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

BuildOne one_hot(int64_t size, int64_t axis) {
  return [=](Builder& b, const auto& v) {
    return b.op("one_hot", {{"indices", v[0]},
                            {"one_hot_vector_size", b.integer(size)},
                            {"axis", b.integer(axis)},
                            {"on_value", b.scalar(DType::kFp32, 5)},
                            {"off_value", b.scalar(DType::kFp32, -1)}});
  };
}

BuildOne band_part(int64_t lower, int64_t upper) {
  return [=](Builder& b, const auto& v) {
    return b.op("band_part",
                {{"x", v[0]}, {"lower", b.integer(lower)}, {"upper", b.integer(upper)}});
  };
}

BuildOne cumsum(int64_t axis, bool exclusive, bool reverse) {
  return [=](Builder& b, const auto& v) {
    return b.op("cumsum", {{"x", v[0]},
                           {"axis", b.integer(axis)},
                           {"exclusive", b.boolean(exclusive)},
                           {"reverse", b.boolean(reverse)}});
  };
}

BuildOne range(double start, double end, double step) {
  return [=](Builder& b, const auto&) {
    return b.op("range_1d", {{"start", b.scalar(DType::kFp32, start)},
                             {"end", b.scalar(DType::kFp32, end)},
                             {"step", b.scalar(DType::kFp32, step)}});
  };
}

TEST(OneHot, MarksPositionsAndIgnoresOthers) {
  const Tensor indices = Tensor::of<int32_t>({3}, {1, -1, 2});
  EXPECT_THAT(values(run_one({indices}, one_hot(2, -1))), ElementsAre(-1, 5, -1, -1, -1, -1));
  EXPECT_THAT(values(run_one({indices}, one_hot(2, 0))), ElementsAre(-1, -1, -1, 5, -1, -1));
  const Tensor plain = run_one({indices}, [](Builder& b, const auto& v) {
    return b.op("one_hot", {{"indices", v[0]}, {"one_hot_vector_size", b.integer(3)}});
  });
  EXPECT_EQ(plain.dtype(), DType::kInt32);
  EXPECT_THAT(values(plain), ElementsAre(0, 1, 0, 0, 0, 0, 0, 0, 1));
}

TEST(OneHot, RulesC1ToC3) {
  const Tensor indices = Tensor::of<int32_t>({1}, {0});
  EXPECT_THAT(refusal({indices}, one_hot(2, 2)), HasSubstr("one_hot.c1: axis 2 is outside rank 2"));
  EXPECT_THAT(refusal({indices}, one_hot(0, 0)), HasSubstr("one_hot.c2: vector size 0"));
  EXPECT_THAT(refusal({indices},
                      [](Builder& b, const auto& v) {
                        return b.op("one_hot", {{"indices", v[0]},
                                                {"one_hot_vector_size", b.integer(2)},
                                                {"off_value", b.scalar(DType::kFp32, 0)}});
                      }),
              HasSubstr("one_hot.c3: on_value is int32 and off_value fp32"));
}

TEST(BandPart, KeepsDiagonals) {
  const Tensor x = Tensor::of<double>({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_THAT(values(run_one({x}, band_part(-1, 0))), ElementsAre(1, 0, 0, 4, 5, 0, 7, 8, 9));
  EXPECT_THAT(values(run_one({x}, band_part(1, 1))), ElementsAre(1, 2, 0, 4, 5, 6, 0, 8, 9));
  EXPECT_THAT(values(run_one({x}, band_part(-1, -1))), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
  expect_gradient({random_tensor({2, 3, 2}, 1)}, band_part(0, -1));
  EXPECT_THAT(refusal({random_tensor({2}, 0)}, band_part(0, 0)), HasSubstr("band_part.c1: x [2]"));
}

TEST(Cumsum, RunsForwardsAndBackwards) {
  const Tensor x = Tensor::of<double>({3}, {1, 2, 4});
  EXPECT_THAT(values(run_one({x}, cumsum(0, false, false))), ElementsAre(1, 3, 7));
  EXPECT_THAT(values(run_one({x}, cumsum(0, true, false))), ElementsAre(0, 1, 3));
  EXPECT_THAT(values(run_one({x}, cumsum(0, false, true))), ElementsAre(7, 6, 4));
  EXPECT_THAT(values(run_one({x}, cumsum(0, true, true))), ElementsAre(6, 4, 0));
  for (const bool exclusive : {false, true}) {
    for (const bool reverse : {false, true}) {
      expect_gradient({random_tensor({2, 3, 2}, 1)}, cumsum(1, exclusive, reverse));
    }
  }
  EXPECT_THAT(refusal({x}, cumsum(1, false, false)),
              HasSubstr("cumsum.c1: axis 1 is outside rank 1"));
}

TEST(Range, LeavesTheEndOut) {
  EXPECT_THAT(values(run_one({}, range(1, 4, 1))), ElementsAre(1, 2, 3));
  EXPECT_THAT(values(run_one({}, range(1, 0, -0.5))), ElementsAre(1, 0.5));
  for (const double step : {0.0, -1.0, 1e-30}) {
    EXPECT_THAT(refusal({}, range(0, 3, step)), HasSubstr("range_1d.c2: 0 to 3 in steps of"));
  }
  EXPECT_THAT(refusal({},
                      [](Builder& b, const auto&) {
                        return b.op("range_1d", {{"start", b.scalar(DType::kFp32, 0)},
                                                 {"end", b.integer(3)},
                                                 {"step", b.integer(1)}});
                      }),
              HasSubstr("range_1d.c1: start, end and step differ in type"));
}

TEST(ShapeOp, GivesTheSizes) {
  const auto shape = [](Builder& b, const auto& v) { return b.unary("shape", v[0]); };
  EXPECT_THAT(values(run_one({random_tensor({2, 5}, 0)}, shape)), ElementsAre(2, 5));
  EXPECT_THAT(refusal({Tensor::of<double>({}, {1})}, shape), HasSubstr("shape.c1: a scalar"));
}

}  // namespace
}  // namespace anemone
