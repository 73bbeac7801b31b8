#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Numbers = std::vector<int64_t>;

Value join(Builder& b, const char* op, const std::vector<Value>& values, int64_t axis) {
  return b.op(op, {{"values", std::vector<Operand>(values.begin(), values.end())},
                   {"axis", b.integer(axis)}});
}

BuildOne concat(int64_t axis) {
  return [=](Builder& b, const auto& v) { return join(b, "concat", v, axis); };
}
BuildOne stack(int64_t axis) {
  return [=](Builder& b, const auto& v) { return join(b, "stack", v, axis); };
}
BuildOne interleaved(int64_t axis) {
  return [=](Builder& b, const auto& v) {
    return b.op("concat", {{"values", std::vector<Operand>(v.begin(), v.end())},
                           {"axis", b.integer(axis)},
                           {"interleave", b.boolean(true)}});
  };
}
BuildOne tile(Numbers reps) {
  return [=](Builder& b, const auto& v) { return b.tile(v[0], reps); };
}
BuildOne pad(const char* mode, Numbers amounts, double constant = 0) {
  return [=](Builder& b, const auto& v) {
    return b.op("pad", {{"x", v[0]},
                        {"pad", b.integers(amounts)},
                        {"mode", b.text(mode)},
                        {"constant_val", b.scalar(v[0]->type.dtype, constant)}});
  };
}

TEST(Concat, JoinsAlongAnAxis) {
  const Tensor a = Tensor::of<double>({2, 1}, {1, 2}), b = Tensor::of<double>({2, 2}, {3, 4, 5, 6});
  EXPECT_THAT(values(run_one({a, b}, concat(-1))), ElementsAre(1, 3, 4, 2, 5, 6));
  expect_gradient({a, b}, concat(1));
}

TEST(Concat, InterleavesEqualShapes) {
  const Tensor a = Tensor::of<double>({2, 2}, {1, 2, 3, 4});
  const Tensor b = Tensor::of<double>({2, 2}, {5, 6, 7, 8});
  EXPECT_THAT(values(run_one({a, b}, interleaved(0))), ElementsAre(1, 2, 5, 6, 3, 4, 7, 8));
  EXPECT_THAT(values(run_one({a, b}, interleaved(1))), ElementsAre(1, 5, 2, 6, 3, 7, 4, 8));
  expect_gradient({a, b}, interleaved(0));
  expect_gradient({a, b}, interleaved(1));
}

TEST(Concat, RulesC1ToC3) {
  const Tensor a = random_tensor({2, 3}, 0), b = random_tensor({2, 2}, 0);
  EXPECT_THAT(refusal({a}, concat(2)), HasSubstr("concat.c1: axis 2 is outside rank 2"));
  EXPECT_THAT(refusal({Tensor::of<double>({}, {1})}, concat(0)), HasSubstr("concat.c1"));
  EXPECT_THAT(refusal({a, Tensor(DType::kFp32, {2, 3})}, concat(0)),
              HasSubstr("concat.c2: value 1 is fp32, the first is fp64"));
  EXPECT_THAT(refusal({a, b}, concat(0)),
              HasSubstr("concat.c3: value 1 of shape [2, 2] does not fit [2, 3] along axis 0"));
  EXPECT_THAT(refusal({a, b}, interleaved(1)), HasSubstr("concat.c3"));
}

TEST(Stack, MakesANewAxis) {
  const Tensor a = Tensor::of<double>({2}, {1, 2}), b = Tensor::of<double>({2}, {3, 4});
  const Tensor columns = run_one({a, b}, stack(-1));
  EXPECT_EQ(columns.shape(), (Shape{2, 2}));
  EXPECT_THAT(values(columns), ElementsAre(1, 3, 2, 4));
  EXPECT_THAT(values(run_one({a, b}, stack(0))), ElementsAre(1, 2, 3, 4));
  expect_gradient({a, b}, stack(1));
  EXPECT_THAT(refusal({a, b}, stack(2)), HasSubstr("stack.c1: axis 2 is outside rank 2"));
  EXPECT_THAT(refusal({a, random_tensor({3}, 0)}, stack(0)),
              HasSubstr("stack.c2: value 1 is tensor<fp64, [3]>, the first is tensor<fp64, [2]>"));
}

TEST(Tile, RepeatsAxes) {
  const Tensor x = Tensor::of<double>({1, 2}, {1, 2});
  EXPECT_THAT(values(run_one({x}, tile({2, 2}))), ElementsAre(1, 2, 1, 2, 1, 2, 1, 2));
  expect_gradient({random_tensor({2, 1, 3}, 1)}, tile({2, 3, 1}));
  expect_gradient({random_tensor({2, 3}, 2)}, tile({1, 1}));
  EXPECT_THAT(refusal({x}, tile({2})), HasSubstr("tile.c1: 1 repetitions are given for rank 2"));
  EXPECT_THAT(refusal({x}, tile({2, 0})), HasSubstr("tile.c2: repetition 0 is not positive"));
}

TEST(Pad, ModesFillTheBorder) {
  const Tensor x = Tensor::of<double>({3}, {1, 2, 3});
  EXPECT_THAT(values(run_one({x}, pad("constant", {1, 2}, 9))), ElementsAre(9, 1, 2, 3, 9, 9));
  EXPECT_THAT(values(run_one({x}, pad("reflect", {2, 1}))), ElementsAre(3, 2, 1, 2, 3, 2));
  EXPECT_THAT(values(run_one({x}, pad("replicate", {2, 1}))), ElementsAre(1, 1, 1, 2, 3, 3));
  const Tensor rows = Tensor::of<double>({2, 1}, {1, 2});
  EXPECT_THAT(values(run_one({rows}, pad("constant", {0, 1}))), ElementsAre(1, 0, 2, 0));
}

TEST(Pad, KeepsOtherTypes) {
  const Tensor x = Tensor::of<int32_t>({1}, {5});
  EXPECT_THAT(values(run_one({x}, pad("constant", {1, 0}, 7))), ElementsAre(7, 5));
}

TEST(Pad, RulesC1ToC5) {
  const Tensor x = random_tensor({3}, 0);
  EXPECT_THAT(refusal({x}, pad("constant", {1})), HasSubstr("pad.c1: 1 amounts do not make pairs"));
  EXPECT_THAT(refusal({x}, pad("constant", {1, 1, 1, 1})), HasSubstr("pad.c1"));
  EXPECT_THAT(refusal({x}, pad("constant", {-1, 1})), HasSubstr("pad.c2: amount -1 is negative"));
  EXPECT_THAT(refusal({x}, pad("wrap", {1, 1})),
              HasSubstr("pad.c3: mode 'wrap' is not constant, reflect or replicate"));
  EXPECT_THAT(refusal({x}, pad("reflect", {3, 0})),
              HasSubstr("pad.c4: 3 elements cannot be reflected in axis 0 of size 3"));
  EXPECT_THAT(refusal({x},
                      [](Builder& b, const auto& v) {
                        return b.op("pad", {{"x", v[0]},
                                            {"pad", b.integers({1, 1})},
                                            {"constant_val", b.scalar(DType::kFp32, 0)}});
                      }),
              HasSubstr("pad.c5: 'constant_val' is not of x's type fp64"));
}

TEST(Pad, GradientsAgreeWithFiniteDifferences) {
  const Tensor x = random_tensor({2, 3, 4}, 5);
  expect_gradient({x}, pad("constant", {1, 2, 0, 3}, 2));
  expect_gradient({x}, pad("reflect", {2, 1, 3, 0}));
  expect_gradient({x}, pad("replicate", {2, 1, 0, 3}));
}

}  // namespace
}  // namespace anemone
