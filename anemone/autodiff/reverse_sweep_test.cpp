#include "anemone/autodiff/reverse_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ReverseSweep : public testing::Test {
 protected:
  Value input(const char* name) { return b.input(name, DType::kFp64, {2}); }
  Value ones() { return b.constant(Tensor::of<double>({2}, {1, 1})); }
  std::vector<Value> gradients(Value output, const std::vector<Value>& wanted) {
    return reverse_sweep(b, {{output, ones()}}, wanted);
  }
  std::vector<double> value_of(Value value, const NamedTensors& inputs) {
    b.output("result", b.unary("identity", value));
    return values(evaluate(f, inputs).at("result"));
  }

  Function f{"main", "ios18"};
  Builder b{f};
};

NamedTensors given(std::initializer_list<std::pair<const char*, std::vector<double>>> inputs) {
  NamedTensors named;
  for (const auto& [name, numbers] : inputs) named[name] = Tensor::of<double>({2}, numbers);
  return named;
}

TEST_F(ReverseSweep, AddsTheGradientsOfEveryUse) {
  const Value x = input("x");
  const Value y = b.add(b.mul(x, x), b.add(x, x));  // x^2 + 2x → 2x + 2
  const Value dx = gradients(y, {x})[0];
  EXPECT_THAT(value_of(dx, given({{"x", {3, -1}}})), ElementsAre(8, 0));
}

TEST_F(ReverseSweep, GivesNothingForWhatTheOutputsDoNotDependOn) {
  const Value x = input("x"), other = input("other");
  const auto result = gradients(b.unary("exp", x), {x, other});
  EXPECT_NE(result[0], nullptr);
  EXPECT_EQ(result[1], nullptr);
}

TEST_F(ReverseSweep, TheGradientOfAnOutputItselfIsItsSeed) {
  const Value x = input("x"), seed = ones();
  EXPECT_EQ(reverse_sweep(b, {{x, seed}}, {x})[0], seed);
}

TEST_F(ReverseSweep, SeedsOfSeveralOutputsAddUp) {
  const Value x = input("x");
  const Value twice = b.mul(x, 2.0), thrice = b.mul(x, 3.0);
  const Value dx = reverse_sweep(b, {{twice, ones()}, {thrice, ones()}, {twice, ones()}}, {x})[0];
  EXPECT_THAT(value_of(dx, given({{"x", {1, 1}}})), ElementsAre(7, 7));
}

TEST_F(ReverseSweep, StopsWhereAPathGoesThroughIntegers) {
  const Value x = input("x");
  const Value rounded = b.cast(b.cast(x, DType::kInt32), DType::kFp64);
  const Value dx = gradients(b.mul(x, rounded), {x})[0];  // the rounded factor counts as constant
  EXPECT_THAT(value_of(dx, given({{"x", {3.5, 2.5}}})), ElementsAre(3, 2));
  EXPECT_EQ(gradients(rounded, {x})[0], nullptr);
}

TEST_F(ReverseSweep, GivesTheGradientOfAnIntermediateValue) {
  const Value x = input("x");
  const Value middle = b.unary("exp", x);
  const auto result = gradients(b.mul(middle, 3.0), {middle});
  EXPECT_THAT(value_of(result[0], given({{"x", {0, 0}}})), ElementsAre(3, 3));
}

TEST_F(ReverseSweep, NamesAnOperationOnTheWayThatHasNoGradient) {
  const Value x = input("x");
  const auto y = b.ops("anemone.swiglu_backward", {{"gate", x}, {"up", ones()}, {"dy", ones()}});
  EXPECT_THAT(error_of([&] { gradients(b.add(y[0], 1.0), {x}); }),
              HasSubstr("swiglu_backward': anemone.swiglu_backward has no gradient"));
}

TEST_F(ReverseSweep, AnOperationWithoutGradientBesideTheWayDoesNotMatter) {
  const Value x = input("x"), other = input("other");
  const auto y =
      b.ops("anemone.swiglu_backward", {{"gate", other}, {"up", ones()}, {"dy", ones()}});
  EXPECT_NE(gradients(b.mul(x, y[0]), {x})[0], nullptr);
}

}  // namespace
}  // namespace anemone
