#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/ops/verify.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

BuildOne matmul(bool transpose_x = false, bool transpose_y = false) {
  return [=](Builder& b, const auto& v) { return b.matmul(v[0], v[1], transpose_x, transpose_y); };
}

Value linear(Builder& b, const std::vector<Value>& v) {
  std::vector<Argument> arguments = {{"x", v[0]}, {"weight", v[1]}};
  if (v.size() > 2) arguments.emplace_back("bias", v[2]);
  return b.op("linear", std::move(arguments));
}

TEST(Matmul, MultipliesRowsByColumns) {
  const Tensor x = Tensor::of<double>({2, 2}, {1, 2, 3, 4});
  const Tensor y = Tensor::of<double>({2, 2}, {5, 6, 7, 8});
  EXPECT_THAT(values(run_one({x, y}, matmul())), ElementsAre(19, 22, 43, 50));
  EXPECT_THAT(values(run_one({x, y}, matmul(true))), ElementsAre(26, 30, 38, 44));
  EXPECT_THAT(values(run_one({x, y}, matmul(false, true))), ElementsAre(17, 23, 39, 53));
  EXPECT_THAT(values(run_one({x, y}, matmul(true, true))), ElementsAre(23, 31, 34, 46));
}

TEST(Matmul, RankOneOperandsGetAnAxisAndLoseItAgain) {
  const Tensor x = Tensor::of<double>({2}, {1, 2}), y = Tensor::of<double>({2, 2}, {5, 6, 7, 8});
  EXPECT_THAT(values(run_one({x, y}, matmul())), ElementsAre(19, 22));
  EXPECT_THAT(values(run_one({y, x}, matmul())), ElementsAre(17, 23));
  EXPECT_EQ(run_one({x, x}, matmul()).shape(), Shape{});
}

TEST(Matmul, BatchAxesBroadcast) {
  const auto shape_of = [](const Shape& x, const Shape& y) {
    return run_one({random_tensor(x, 0), random_tensor(y, 1)}, matmul()).shape();
  };
  EXPECT_EQ(shape_of({4, 1, 2, 3}, {5, 3, 2}), (Shape{4, 5, 2, 2}));
  EXPECT_EQ(shape_of({3}, {5, 3, 2}), (Shape{5, 2}));
}

TEST(Matmul, IntegersWrap) {
  const Tensor x = Tensor::of<int32_t>({1, 2}, {65536, 3}),
               y = Tensor::of<int32_t>({2}, {65536, -2});
  EXPECT_THAT(values(run_one({x, y}, matmul())), ElementsAre(-6));
}

TEST(Matmul, RulesC1ToC5) {
  const Tensor x = random_tensor({2, 3}, 0), v = random_tensor({3}, 0);
  const Tensor scalar = Tensor::of<double>({}, {1});
  EXPECT_THAT(refusal({x, Tensor(DType::kFp32, {3, 1})}, matmul()),
              HasSubstr("matmul.c1: 'x' is fp64 and 'y' is fp32"));
  EXPECT_THAT(refusal({x, scalar}, matmul()), HasSubstr("matmul.c2: operands need an axis"));
  EXPECT_THAT(refusal({v, v}, matmul(true)),
              HasSubstr("matmul.c3: x of rank 1 cannot be transposed"));
  EXPECT_THAT(refusal({x, v}, matmul(false, true)), HasSubstr("matmul.c3: y of rank 1"));
  EXPECT_THAT(refusal({x, x}, matmul()), HasSubstr("matmul.c4: inner sizes 3 and 2 differ"));
  EXPECT_THAT(refusal({random_tensor({2, 2, 3}, 0), random_tensor({3, 3, 1}, 0)}, matmul()),
              HasSubstr("matmul.c5: shapes [2] and [3] do not broadcast"));
}

TEST(Matmul, GradientsAgreeWithFiniteDifferences) {
  for (const bool tx : {false, true}) {
    for (const bool ty : {false, true}) {
      expect_gradient({random_tensor(tx ? Shape{2, 1, 3, 2} : Shape{2, 1, 2, 3}, 1),
                       random_tensor(ty ? Shape{3, 4, 3} : Shape{3, 3, 4}, 2)},
                      matmul(tx, ty));
    }
  }
  const Tensor v = random_tensor({3}, 3), m = random_tensor({2, 3, 2}, 4);
  expect_gradient({v, m}, matmul());
  expect_gradient({random_tensor({2, 2, 3}, 5), v}, matmul());
  expect_gradient({v, v}, matmul());
}

TEST(Linear, IsXTimesTheWeightTransposedPlusBias) {
  const Tensor x = Tensor::of<double>({1, 2}, {1, 2});
  const Tensor weight = Tensor::of<double>({3, 2}, {1, 0, 0, 1, 1, 1});
  const Tensor bias = Tensor::of<double>({3}, {10, 20, 30});
  EXPECT_THAT(values(run_one({x, weight}, linear)), ElementsAre(1, 2, 3));
  EXPECT_THAT(values(run_one({x, weight, bias}, linear)), ElementsAre(11, 22, 33));
}

TEST(Linear, RulesC1ToC4) {
  const Tensor x = random_tensor({2, 3}, 0), weight = random_tensor({4, 3}, 0);
  EXPECT_THAT(refusal({x, Tensor(DType::kFp32, {4, 3})}, linear),
              HasSubstr("linear.c1: 'x' is fp64 and 'weight' is fp32"));
  EXPECT_THAT(refusal({x, random_tensor({3}, 0)}, linear),
              HasSubstr("linear.c2: weight [3] is not [O, I]"));
  EXPECT_THAT(refusal({random_tensor({2}, 0), weight}, linear),
              HasSubstr("linear.c3: the last axis of x [2] is not the 3 columns"));
  EXPECT_THAT(refusal({x, weight, random_tensor({3}, 0)}, linear),
              HasSubstr("linear.c4: bias [3] is not [4]"));
}

TEST(Linear, GradientsAgreeWithFiniteDifferences) {
  const Tensor weight = random_tensor({4, 3}, 1), bias = random_tensor({4}, 2);
  for (const Shape& shape : {Shape{3}, Shape{2, 3}, Shape{2, 1, 2, 3}}) {
    expect_gradient({random_tensor(shape, 3), weight, bias}, linear);
  }
}

// From ios17 on weights may be of the other of fp16 and fp32; the result has x's type.
TEST(MixedTypes, AreForWeightsFromIos17On) {
  const auto linear = [](const char* opset) {
    return run_mil(
               std::string("func main<") + opset +
                   ">(tensor<fp16, [1, 2]> x, tensor<fp32, [1, 2]> w) { tensor<fp16, [1, 1]> y = "
                   "linear(x = x, weight = w, bias = tensor<fp32, [1]>([0.25])); } -> (y);",
               {Tensor::of<double>({1, 2}, {1, 2}).cast(DType::kFp16),
                Tensor::of<float>({1, 2}, {0.5, 3})})[0]
        .at(0);
  };
  EXPECT_EQ(linear("ios17"), 6.75);
  EXPECT_THAT(error_of([&] { linear("ios16"); }),
              HasSubstr("linear.c1: 'x' is fp16 and 'weight' is fp32"));
}

TEST(MixedTypes, GradientsHaveTheTypesOfTheirValues) {
  Function function("main", "ios18");
  Builder b(function);
  const Value x = b.input("x", DType::kFp16, {1, 3, 4}), w = b.input("w", DType::kFp32, {3, 3, 1});
  const Value g = b.input("g", DType::kFp32, {3}), m = b.input("m", DType::kFp32, {4, 2});
  const Value convolved = b.op("conv", {{"x", x}, {"weight", w}, {"bias", g}});
  const Value normal = b.op("instance_norm", {{"x", convolved}, {"gamma", g}, {"beta", g}});
  const Value batch =
      b.op("batch_norm", {{"x", normal}, {"mean", g}, {"variance", g}, {"gamma", g}});
  const Value y = b.matmul(batch, m);
  EXPECT_EQ(y->type, Type::tensor(DType::kFp16, {1, 3, 2}));
  const std::vector<Value> wanted = {x, w, g, m};
  const std::vector<Value> gradients = reverse_sweep(b, {{y, b.full_like(y, 1)}}, wanted);
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(gradients[i]->type, wanted[i]->type) << i;
  b.output("y", y);
  for (const Diagnostic& found : verify(function)) ADD_FAILURE() << found.where << found.message;
}

}  // namespace
}  // namespace anemone
