#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kReductions[] = {
    "reduce_sum",     "reduce_mean",    "reduce_max",         "reduce_min",        "reduce_prod",
    "reduce_l1_norm", "reduce_l2_norm", "reduce_log_sum_exp", "reduce_sum_square", "reduce_log_sum",
};

BuildOne reduce(const char* op, std::vector<int64_t> axes, bool keep_dims = false) {
  return [=](Builder& b, const auto& v) { return b.reduce(op, v[0], axes, keep_dims); };
}

TEST(Reduce, OneAxisGivesNumpysNumbers) {
  const Tensor x = Tensor::of<double>({2, 2}, {1, 2, -3, 4});
  EXPECT_THAT(values(run_one({x}, reduce("reduce_sum", {1}))), ElementsAre(3, 1));
  EXPECT_THAT(values(run_one({x}, reduce("reduce_mean", {0}))), ElementsAre(-1, 3));
  EXPECT_THAT(values(run_one({x}, reduce("reduce_max", {-1}))), ElementsAre(2, 4));
  EXPECT_THAT(values(run_one({x}, reduce("reduce_min", {0}))), ElementsAre(-3, 2));
  EXPECT_THAT(values(run_one({x}, reduce("reduce_prod", {1}))), ElementsAre(2, -12));
  EXPECT_THAT(values(run_one({x}, reduce("reduce_l1_norm", {1}))), ElementsAre(3, 7));
  EXPECT_THAT(values(run_one({x}, reduce("reduce_l2_norm", {1}))),
              ElementsAre(DoubleNear(2.23606797749979, 1e-14), 5));
  EXPECT_THAT(values(run_one({x}, reduce("reduce_sum_square", {1}))), ElementsAre(5, 25));
  EXPECT_THAT(values(run_one({x}, reduce("reduce_log_sum", {1}))),
              ElementsAre(DoubleNear(1.0986122886681098, 1e-14), 0));
  EXPECT_THAT(
      values(run_one({x}, reduce("reduce_log_sum_exp", {1}))),
      ElementsAre(DoubleNear(2.313261687518223, 1e-14), DoubleNear(4.000911466453774, 1e-14)));
}

TEST(Reduce, AbsentAxesReduceAllToAScalar) {
  const Tensor sum = run_one({random_tensor({2, 3}, 1, 2, 2)},
                             [](Builder& b, const auto& v) { return b.unary("reduce_sum", v[0]); });
  EXPECT_EQ(sum.shape(), Shape{});
  EXPECT_EQ(sum.at(0), 12);
}

TEST(Reduce, KeepDimsKeepsTheRank) {
  const Tensor x = random_tensor({2, 3, 4}, 1);
  EXPECT_EQ(run_one({x}, reduce("reduce_sum", {0, -1}, true)).shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(run_one({x}, reduce("reduce_sum", {0, -1})).shape(), Shape{3});
}

TEST(Reduce, LogSumExpOfLargeNumbersIsFinite) {
  const Tensor x = Tensor::of<double>({2}, {1000, 1000});
  EXPECT_THAT(values(run_one({x}, reduce("reduce_log_sum_exp", {0}))),
              ElementsAre(DoubleNear(1000.6931471805599, 1e-9)));
}

// Numbers of coremltools 9 (numpy).
TEST(Reduce, IntegersWrapAndTruncate) {
  const auto of = [](const char* op, const std::vector<int32_t>& numbers) {
    const auto count = static_cast<int64_t>(numbers.size());
    return run_one({Tensor::of<int32_t>({count}, numbers)}, reduce(op, {0})).as<int32_t>()[0];
  };
  EXPECT_EQ(of("reduce_sum", {2147483647, 1}), -2147483648);
  EXPECT_EQ(of("reduce_prod", {1 << 20, 1 << 13}), 0);
  EXPECT_EQ(of("reduce_sum_square", {100000, 5}), 1410065433);
  EXPECT_EQ(of("reduce_mean", {-3, 2, 0, 0}), 0);
  EXPECT_EQ(of("reduce_l2_norm", {3, 5}), 5);
  EXPECT_EQ(of("reduce_log_sum", {3, 5}), 2);
  EXPECT_EQ(of("reduce_l1_norm", {-3, 5}), 8);
  EXPECT_EQ(of("reduce_max", {-2147483648, 5}), 5);
}

TEST(Reduce, C1RefusesAxesOutsideOrTwice) {
  EXPECT_THAT(refusal({random_tensor({2}, 0)}, reduce("reduce_sum", {1})),
              HasSubstr("reduce_sum.c1: axis 1 is outside rank 1"));
  EXPECT_THAT(refusal({random_tensor({2, 2}, 0)}, reduce("reduce_max", {1, -1})),
              HasSubstr("reduce_max.c1: axis 1 is given twice"));
}

TEST(Reduce, GradientsAgreeWithFiniteDifferences) {
  for (const char* op : kReductions) {
    SCOPED_TRACE(op);
    const Tensor x = random_tensor({2, 3, 2}, 7, 0.3, 2);
    expect_gradient({x}, reduce(op, {1}));
    expect_gradient({x}, reduce(op, {0, 2}, true));
    expect_gradient({x}, [&](Builder& b, const auto& v) { return b.unary(op, v[0]); });
  }
}

TEST(Reduce, ProductHasGradientsAtZeros) {
  expect_gradient({Tensor::of<double>({3, 3}, {2, 0, 3, 0, 5, 0, 1, 2, 4})},
                  reduce("reduce_prod", {1}));
}

TEST(Reduce, EqualExtremesShareTheGradient) {
  const Tensor x = Tensor::of<double>({3}, {1, 4, 4});
  const Tensor dx = run_one({x}, [](Builder& b, const auto& v) {
    const Value y = b.reduce("reduce_max", v[0], {0}, false);
    return reverse_sweep(b, {{y, b.scalar(DType::kFp64, 1)}}, {v[0]}).at(0);
  });
  EXPECT_THAT(values(dx), ElementsAre(0, 0.5, 0.5));
}

TEST(ReduceArg, TheFirstExtremeWins) {
  const Tensor x = Tensor::of<double>({2, 3}, {1, 5, 5, -2, 0, -2});
  const auto position = [](const char* op, int64_t axis, bool keep) {
    return [=](Builder& b, const std::vector<Value>& v) {
      return b.op(op, {{"x", v[0]}, {"axis", b.integer(axis)}, {"keep_dims", b.boolean(keep)}});
    };
  };
  const Tensor largest = run_one({x}, position("reduce_argmax", 1, false));
  EXPECT_EQ(largest.dtype(), DType::kInt32);
  EXPECT_THAT(values(largest), ElementsAre(1, 1));
  EXPECT_THAT(values(run_one({x}, position("reduce_argmin", -1, true))), ElementsAre(0, 0));
  EXPECT_THAT(values(run_one({x}, position("reduce_argmax", 0, false))), ElementsAre(0, 0, 0));
  EXPECT_THAT(refusal({x}, position("reduce_argmax", 2, false)),
              HasSubstr("reduce_argmax.c1: axis 2 is outside rank 2"));
}

BuildOne argmax_as(const char* dtype) {
  return [=](Builder& b, const auto& v) {
    return b.op("reduce_argmax", {{"x", v[0]}, {"output_dtype", b.text(dtype)}});
  };
}

TEST(ReduceArg, C2AndC3RefuseTypesThatDoNotFit) {
  EXPECT_EQ(run_one({random_tensor({4}, 0)}, argmax_as("uint16")).dtype(), DType::kUInt16);
  EXPECT_THAT(refusal({random_tensor({4}, 0)}, argmax_as("fp16")),
              HasSubstr("reduce_argmax.c2: 'output_dtype' fp16 is not int32 or uint16"));
  EXPECT_THAT(refusal({Tensor(DType::kFp32, {65537})}, argmax_as("uint16")),
              HasSubstr("reduce_argmax.c3: positions in an axis of size 65537"));
}

}  // namespace
}  // namespace anemone
