#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Top {
  int64_t k = 1, axis = -1;
  bool ascending = false, indices = true;
};

Build topk(Top top) {
  return [=](Builder& b, const auto& v) {
    return b.ops("topk", {{"x", v[0]},
                          {"k", b.integer(top.k)},
                          {"axis", b.integer(top.axis)},
                          {"ascending", b.boolean(top.ascending)},
                          {"return_indices", b.boolean(top.indices)}});
  };
}

BuildOne argsort(int64_t axis, bool ascending) {
  return [=](Builder& b, const auto& v) {
    return b.op("argsort",
                {{"x", v[0]}, {"axis", b.integer(axis)}, {"ascending", b.boolean(ascending)}});
  };
}

std::string topk_refusal(const Tensor& x, Top top) {
  return error_of([&] { run_reference({x}, topk(top)); });
}

const Tensor kRows = Tensor::of<double>({2, 4}, {3, 1, 4, 1, 5, 9, 2, 6});

TEST(Topk, GivesTheLargestAndWhereTheyAre) {
  const auto out = run_reference({kRows}, topk({.k = 2}));
  EXPECT_THAT(values(out[0]), ElementsAre(4, 3, 9, 6));
  EXPECT_THAT(values(out[1]), ElementsAre(2, 0, 1, 3));
  EXPECT_EQ(out[1].dtype(), DType::kInt32);
  const auto columns = run_reference({kRows}, topk({.axis = 0, .ascending = true}));
  EXPECT_EQ(columns[0].shape(), (Shape{1, 4}));
  EXPECT_THAT(values(columns[0]), ElementsAre(3, 1, 2, 1));
  EXPECT_THAT(values(columns[1]), ElementsAre(0, 0, 1, 0));
}

TEST(Topk, EqualNumbersKeepTheirOrderAndMinusOneTakesAll) {
  const Tensor x = Tensor::of<int32_t>({5}, {7, 9, 7, 9, 7});
  const auto out = run_reference({x}, topk({.k = -1}));
  EXPECT_THAT(values(out[0]), ElementsAre(9, 9, 7, 7, 7));
  EXPECT_THAT(values(out[1]), ElementsAre(1, 3, 0, 2, 4));
}

// coremltools 9 sorts the negatives, which wrap: findings/topk_of_unsigned_constants.sh.
TEST(Topk, SortsBytesByTheirValue) {
  const auto bytes = run_reference({Tensor::of<uint8_t>({3}, {0, 7, 3})}, topk({}));
  EXPECT_THAT(values(bytes[0]), ElementsAre(7));
  const auto lowest = run_reference({Tensor::of<int8_t>({3}, {-128, 7, 3})}, topk({}));
  EXPECT_THAT(values(lowest[1]), ElementsAre(1));
}

TEST(Topk, OutputsFollowTheOpset) {
  const auto outputs = [](const char* opset, const char* more) {
    return run_mil(
        std::string("func main<") + opset +
            ">(tensor<fp32, [3]> x) { tensor<fp32, [1]> v, tensor<uint16, [1]> i = topk(x "
            "= x" +
            more + "); } -> (i);",
        {Tensor::of<float>({3}, {1, 3, 2})});
  };
  EXPECT_THAT(values(outputs("ios17", ", output_indices_dtype = string(\"uint16\")")[0]),
              ElementsAre(1));
  EXPECT_THAT(error_of([&] { outputs("ios15", ""); }), HasSubstr("topk gives tensor<int32, [1]>"));
  EXPECT_THAT(error_of([&] { outputs("ios17", ", output_indices_dtype = string(\"int8\")"); }),
              HasSubstr("topk.c3: 'output_indices_dtype' int8 is not int32 or uint16"));
  EXPECT_THAT(error_of([&] { outputs("ios16", ", k = int32(-1)"); }), HasSubstr("topk.c2: k -1"));
}

TEST(Topk, RulesC1ToC4) {
  EXPECT_THAT(topk_refusal(kRows, {.axis = 2}), HasSubstr("topk.c1: axis 2 is outside rank 2"));
  EXPECT_THAT(topk_refusal(kRows, {.k = 5}), HasSubstr("topk.c2: k 5 is not from 1 to 4"));
  EXPECT_THAT(topk_refusal(kRows, {.k = 0}), HasSubstr("topk.c2"));
  const auto as_uint16 = [](Builder& b, const auto& v) {
    return b.ops("topk", {{"x", v[0]}, {"output_indices_dtype", b.text("uint16")}});
  };
  EXPECT_THAT(error_of([&] { run_reference({Tensor(DType::kFp32, {65537})}, as_uint16); }),
              HasSubstr("topk.c4: positions in an axis of size 65537 do not fit uint16"));
}

TEST(Topk, GradientsAgreeWithFiniteDifferences) {
  expect_gradients({random_tensor({2, 5}, 1)}, topk({.k = 3}));
  expect_gradients({random_tensor({4, 3}, 2)}, topk({.k = 2, .axis = 0, .ascending = true}));
  expect_gradients({random_tensor({2, 5}, 3)}, topk({.k = 2, .indices = false}));
}

TEST(Argsort, DescendsUnlessToldOtherwise) {
  EXPECT_THAT(values(run_one({kRows}, argsort(-1, false))), ElementsAre(2, 0, 1, 3, 1, 3, 0, 2));
  EXPECT_THAT(values(run_one({kRows}, argsort(1, true))), ElementsAre(1, 3, 0, 2, 2, 0, 3, 1));
  EXPECT_THAT(refusal({kRows}, argsort(-3, true)), HasSubstr("argsort.c1"));
}

TEST(NonZero, ListsThePositionsOfAConstant) {
  const auto of_constant = [](Builder& b, const auto&) {
    return b.unary("non_zero", b.constant(Tensor::of<float>({2, 2}, {0, 2, 0, -1})));
  };
  EXPECT_THAT(values(run_one({Tensor::of<float>({1}, {0})}, of_constant)), ElementsAre(0, 1, 1, 1));
}

TEST(NonZero, RulesC1AndC2) {
  const auto of_input = [](Builder& b, const auto& v) { return b.unary("non_zero", v[0]); };
  EXPECT_THAT(
      refusal({kRows}, of_input),
      HasSubstr("non_zero.c1: how many elements of x are not zero depends on their values"));
  const auto scalar = [](Builder& b, const auto&) {
    return b.unary("non_zero", b.scalar(DType::kFp32, 1));
  };
  EXPECT_THAT(refusal({kRows}, scalar), HasSubstr("non_zero.c2: a scalar has no positions"));
}

}  // namespace
}  // namespace anemone
