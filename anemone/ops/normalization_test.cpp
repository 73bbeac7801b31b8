#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

BuildOne softmax(int64_t axis) {
  return [=](Builder& b, const auto& v) { return b.softmax(v[0], axis); };
}

// x first, then `names` in order.
BuildOne norm(const char* op, std::vector<const char*> names,
              std::vector<std::pair<const char*, std::vector<int64_t>>> lists = {},
              double epsilon = 0.25) {
  return [=](Builder& b, const std::vector<Value>& v) {
    std::vector<Argument> arguments = {{"x", v[0]}};
    for (size_t i = 0; i < names.size(); ++i) arguments.emplace_back(names[i], v[i + 1]);
    for (const auto& [name, numbers] : lists) arguments.emplace_back(name, b.integers(numbers));
    arguments.emplace_back("epsilon", b.scalar(v[0]->type.dtype, epsilon));
    return b.op(op, std::move(arguments));
  };
}

BuildOne layer_norm(std::vector<int64_t> axes, std::vector<const char*> names = {}) {
  return norm("layer_norm", std::move(names), {{"axes", std::move(axes)}});
}

TEST(Softmax, SharesOneAlongTheAxis) {
  const Tensor x = Tensor::of<double>({2, 2}, {0, 1000, 0, 1000});
  EXPECT_THAT(values(run_one({x}, softmax(-1))), ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(values(run_one({x}, softmax(0))), ElementsAre(0.5, 0.5, 0.5, 0.5));
  EXPECT_THAT(
      values(run_one({Tensor::of<double>({2}, {0, 1})}, softmax(0))),
      ElementsAre(DoubleNear(0.2689414213699951, 1e-15), DoubleNear(0.7310585786300049, 1e-15)));
  EXPECT_THAT(refusal({x}, softmax(2)), HasSubstr("softmax.c1: axis 2 is outside rank 2"));
  expect_gradient({random_tensor({2, 3, 2}, 1)}, softmax(1));
}

TEST(LayerNorm, HasMeanBetaAndDeviationGamma) {
  // Mean 2.5, variance 1.25; with epsilon 0.25 the deviation is sqrt(1.5).
  const Tensor x = Tensor::of<double>({1, 4}, {1, 2, 3, 4});
  EXPECT_THAT(
      values(run_one({x}, layer_norm({1}))),
      ElementsAre(DoubleNear(-1.224744871391589, 1e-14), DoubleNear(-0.4082482904638631, 1e-14),
                  DoubleNear(0.4082482904638631, 1e-14), DoubleNear(1.224744871391589, 1e-14)));
  const Tensor gamma = Tensor::of<double>({4}, {0, 0, 0, 2}),
               beta = Tensor::of<double>({4}, {5, 6, 7, 8});
  EXPECT_THAT(values(run_one({x, gamma, beta}, layer_norm({-1}, {"gamma", "beta"}))),
              ElementsAre(5, 6, 7, DoubleNear(10.449489742783179, 1e-14)));
}

TEST(LayerNorm, AbsentAxesNormaliseEverything) {
  const Tensor y = run_one({Tensor::of<double>({2, 1}, {-1, 1})}, [](Builder& b, const auto& v) {
    return b.op("layer_norm", {{"x", v[0]}, {"epsilon", b.scalar(DType::kFp64, 3)}});
  });
  EXPECT_THAT(values(y), ElementsAre(-0.5, 0.5));
}

TEST(LayerNorm, RulesC1ToC3) {
  const Tensor x = random_tensor({2, 3}, 0);
  EXPECT_THAT(refusal({x}, layer_norm({2})), HasSubstr("layer_norm.c1: axis 2 is outside rank 2"));
  EXPECT_THAT(refusal({x}, layer_norm({1, 0})), HasSubstr("layer_norm.c2: axes do not ascend"));
  EXPECT_THAT(refusal({x, random_tensor({2}, 0)}, layer_norm({1}, {"gamma"})),
              HasSubstr("layer_norm.c3: 'gamma' is tensor<fp64, [2]>, not tensor<fp64, [3]>"));
  EXPECT_THAT(refusal({x, Tensor(DType::kFp32, {3})}, layer_norm({1}, {"beta"})),
              HasSubstr("layer_norm.c3: 'beta'"));
}

TEST(LayerNorm, GradientsAgreeWithFiniteDifferences) {
  const Tensor x = random_tensor({2, 3, 4}, 1);
  expect_gradient({x}, layer_norm({0, 1, 2}));
  expect_gradient({x, random_tensor({4}, 2), random_tensor({4}, 3)},
                  layer_norm({2}, {"gamma", "beta"}));
  expect_gradient({x, random_tensor({2, 4}, 2)}, layer_norm({0, 2}, {"gamma"}));
}

TEST(InstanceNorm, NormalisesEachChannelOfEachImage) {
  const Tensor x = Tensor::of<double>({1, 2, 2}, {-1, 1, 10, 14});
  const Tensor gamma = Tensor::of<double>({2}, {1, 2});
  EXPECT_THAT(values(run_one({x, gamma}, norm("instance_norm", {"gamma"}, {}, 0))),
              ElementsAre(-1, 1, -2, 2));
  expect_gradient({random_tensor({2, 2, 2, 3}, 1), random_tensor({2}, 2), random_tensor({2}, 3)},
                  norm("instance_norm", {"gamma", "beta"}));
}

TEST(InstanceNorm, RulesC1AndC2) {
  EXPECT_THAT(refusal({random_tensor({2, 3}, 0)}, norm("instance_norm", {})),
              HasSubstr("instance_norm.c1: x [2, 3]"));
  EXPECT_THAT(refusal({random_tensor({1, 2, 3}, 0), random_tensor({3}, 0)},
                      norm("instance_norm", {"beta"})),
              HasSubstr("instance_norm.c2: 'beta' is tensor<fp64, [3]>"));
}

TEST(BatchNorm, UsesTheGivenStatistics) {
  const Tensor x = Tensor::of<double>({1, 2, 1}, {3, 5});
  const Tensor mean = Tensor::of<double>({2}, {1, 2}), variance = Tensor::of<double>({2}, {4, 9});
  const Tensor gamma = Tensor::of<double>({2}, {1, 10}), beta = Tensor::of<double>({2}, {0, 100});
  EXPECT_THAT(values(run_one({x, mean, variance}, norm("batch_norm", {"mean", "variance"}, {}, 0))),
              ElementsAre(1, 1));
  EXPECT_THAT(values(run_one({x, mean, variance, gamma, beta},
                             norm("batch_norm", {"mean", "variance", "gamma", "beta"}, {}, 0))),
              ElementsAre(1, 110));
}

TEST(BatchNorm, RulesC1AndC2) {
  const Tensor two = random_tensor({2}, 0);
  const BuildOne build = norm("batch_norm", {"mean", "variance"});
  EXPECT_THAT(refusal({random_tensor({2, 2}, 0), two, two}, build),
              HasSubstr("batch_norm.c1: x [2, 2]"));
  EXPECT_THAT(refusal({random_tensor({2, 3, 1}, 0), two, two}, build),
              HasSubstr("batch_norm.c2: 'mean' is tensor<fp64, [2]>, not tensor<fp64, [3]>"));
  EXPECT_THAT(refusal({random_tensor({2, 2, 1}, 0), two}, norm("batch_norm", {"mean"})),
              HasSubstr("batch_norm needs parameter 'variance'"));
}

TEST(BatchNorm, GradientsAgreeWithFiniteDifferences) {
  expect_gradient({random_tensor({2, 3, 2}, 1), random_tensor({3}, 2),
                   random_tensor({3}, 3, 0.5, 2), random_tensor({3}, 4), random_tensor({3}, 5)},
                  norm("batch_norm", {"mean", "variance", "gamma", "beta"}));
}

TEST(L2Norm, DividesByTheLengthOverThreeAxes) {
  const Tensor x = Tensor::of<double>({2, 1, 1, 2}, {3, 4, 0, 2});
  EXPECT_THAT(values(run_one({x}, norm("l2_norm", {}, {}, 0))), ElementsAre(0.6, 0.8, 0, 1));
  expect_gradient({random_tensor({2, 2, 1, 2}, 1)}, norm("l2_norm", {}));
  EXPECT_THAT(refusal({random_tensor({2, 2}, 0)}, norm("l2_norm", {})),
              HasSubstr("l2_norm.c1: x [2, 2] has less than three axes"));
}

}  // namespace
}  // namespace anemone
