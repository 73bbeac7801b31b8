#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::HasSubstr;

BuildOne draw(const char* op, const Shape& shape, int64_t seed,
              std::vector<std::pair<const char*, double>> numbers) {
  return [=](Builder& b, const auto&) {
    std::vector<Argument> arguments = {{"shape", b.integers(shape)}, {"seed", b.integer(seed)}};
    for (const auto& [name, number] : numbers) {
      arguments.push_back({name, b.scalar(DType::kFp64, number)});
    }
    return b.op(op, std::move(arguments));
  };
}

BuildOne categorical(const char* mode, int64_t size, int64_t seed) {
  return [=](Builder& b, const auto& v) {
    return b.op("random_categorical", {{"x", v[0]},
                                       {"mode", b.text(mode)},
                                       {"size", b.integer(size)},
                                       {"seed", b.integer(seed)}});
  };
}

const Tensor kNothing = Tensor::of<double>({1}, {0});

struct Moments {
  double mean = 0, deviation = 0;
};
Moments moments(const Tensor& tensor) {
  double sum = 0, squares = 0;
  for (double x : values(tensor)) sum += x, squares += x * x;
  const auto n = static_cast<double>(tensor.size());
  return {sum / n, std::sqrt(squares / n - sum / n * sum / n)};
}

TEST(Random, TheSameSeedGivesTheSameNumbers) {
  const auto normal = [](int64_t seed) {
    return values(run_one({kNothing}, draw("random_normal", {3, 5}, seed, {{"mean", 0}})));
  };
  EXPECT_EQ(normal(7), normal(7));
  EXPECT_NE(normal(7), normal(8));
}

// 10000 numbers: means within five standard errors.
TEST(Random, NumbersAreOfTheirDistribution) {
  const Shape many = {10000};
  const Moments normal =
      moments(run_one({kNothing}, draw("random_normal", many, 1, {{"mean", 3}, {"stddev", 2}})));
  EXPECT_NEAR(normal.mean, 3, 0.1);
  EXPECT_NEAR(normal.deviation, 2, 0.1);
  const Moments uniform =
      moments(run_one({kNothing}, draw("random_uniform", many, 1, {{"low", -1}, {"high", 3}})));
  EXPECT_NEAR(uniform.mean, 1, 0.06);
  EXPECT_NEAR(uniform.deviation, 4 / std::sqrt(12), 0.06);
  const Tensor coins = run_one({kNothing}, draw("random_bernoulli", many, 1, {{"prob", 0.25}}));
  EXPECT_NEAR(moments(coins).mean, 0.25, 0.022);
  const Tensor classes =
      run_one({Tensor::of<double>({3}, {0.2, 0, 0.8})}, categorical("probs", 10000, 1));
  EXPECT_NEAR(moments(classes).mean, 1.6, 0.04);
  const Tensor logits = Tensor::of<double>({2}, {0, std::log(3)});
  EXPECT_NEAR(moments(run_one({logits}, categorical("logits", 10000, 2))).mean, 0.75, 0.022);
}

TEST(Random, WithoutATypeNumbersAreFp32) {
  const Tensor x = run_one({kNothing}, draw("random_uniform", {2, 3}, 1, {}));
  EXPECT_EQ(x.dtype(), DType::kFp32);
  EXPECT_EQ(x.shape(), (Shape{2, 3}));
}

TEST(Random, RulesC1ToC3) {
  EXPECT_THAT(refusal({kNothing}, draw("random_normal", {2, 0}, 1, {})),
              HasSubstr("random_normal.c1: size 0 is not positive"));
  EXPECT_THAT(refusal({kNothing}, draw("random_uniform", {2}, -1, {})),
              HasSubstr("random_uniform.c3: without a seed the numbers differ from run to run"));
  const auto mixed = [](Builder& b, const auto&) {
    return b.op("random_uniform", {{"shape", b.integers({1})},
                                   {"low", b.scalar(DType::kFp32, 0)},
                                   {"high", b.scalar(DType::kFp16, 1)}});
  };
  EXPECT_THAT(refusal({kNothing}, mixed), HasSubstr("random_uniform.c2: 'low' and 'high' differ"));
}

TEST(RandomCategorical, RulesC1AndC2) {
  EXPECT_THAT(refusal({kNothing}, categorical("logits", 0, 1)), HasSubstr("random_categorical.c1"));
  EXPECT_THAT(refusal({kNothing}, categorical("odds", 1, 1)),
              HasSubstr("random_categorical.c2: mode 'odds' is not logits or probs"));
}

}  // namespace
}  // namespace anemone
