#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

BuildOne with(const char* op, std::vector<std::pair<const char*, double>> numbers = {}) {
  return [=](Builder& b, const std::vector<Value>& v) {
    std::vector<Argument> arguments = {{"x", v[0]}};
    for (const auto& [name, value] : numbers) {
      arguments.emplace_back(name, b.scalar(v[0]->type.dtype, value));
    }
    return b.op(op, std::move(arguments));
  };
}

BuildOne with_channels(const char* op, std::vector<const char*> names,
                       std::vector<double> numbers) {
  return [=](Builder& b, const std::vector<Value>& v) {
    std::vector<Argument> arguments = {{"x", v[0]}};
    for (const char* name : names) {
      arguments.emplace_back(
          name, b.constant(Tensor::of<double>({static_cast<int64_t>(numbers.size())}, numbers)));
    }
    return b.op(op, std::move(arguments));
  };
}

BuildOne gelu(const char* mode) {
  return [=](Builder& b, const auto& v) {
    return b.op("gelu", {{"x", v[0]}, {"mode", b.text(mode)}});
  };
}

std::vector<double> apply(const BuildOne& build, const std::vector<double>& x) {
  return values(run_one({Tensor::of<double>({static_cast<int64_t>(x.size())}, x)}, build));
}

testing::Matcher<double> near(double value) { return DoubleNear(value, 1e-14); }

TEST(Activation, PiecewiseLinearOnes) {
  EXPECT_THAT(apply(with("relu"), {-2, 0, 3}), ElementsAre(0, 0, 3));
  EXPECT_THAT(apply(with("relu6"), {-2, 3, 7}), ElementsAre(0, 3, 6));
  EXPECT_THAT(apply(with("leaky_relu", {{"alpha", 0.5}}), {-2, 3}), ElementsAre(-1, 3));
  EXPECT_THAT(apply(with("thresholded_relu", {{"alpha", 1}}), {0.5, 1, 2}), ElementsAre(0, 1, 2));
  EXPECT_THAT(apply(with("clamped_relu", {{"alpha", 0.5}, {"beta", 2}}), {-4, 1, 3}),
              ElementsAre(-2, 1, 2));
  EXPECT_THAT(apply(with("linear_activation", {{"alpha", 2}, {"beta", 1}}), {-4, 1}),
              ElementsAre(-7, 3));
  EXPECT_THAT(apply(with("sigmoid_hard", {{"alpha", 0.25}, {"beta", 0.5}}), {-4, 1, 3}),
              ElementsAre(0, 0.75, 1));
}

TEST(Activation, SmoothOnesAgreeWithTorch) {
  EXPECT_THAT(apply(with("elu", {{"alpha", 2}}), {-1, 3}),
              ElementsAre(near(-1.2642411176571153), 3));
  EXPECT_THAT(apply(with("silu"), {-1, 2}),
              ElementsAre(near(-0.2689414213699951), near(1.7615941559557649)));
  EXPECT_THAT(apply(with("sigmoid"), {0, 1}), ElementsAre(0.5, near(0.7310585786300049)));
  EXPECT_THAT(apply(with("scaled_tanh", {{"alpha", 2}, {"beta", 0.5}}), {1}),
              ElementsAre(near(0.9242343145200195)));
  EXPECT_THAT(apply(with("softplus"), {0, -1000, 1000}),
              ElementsAre(near(0.6931471805599453), 0, 1000));
  EXPECT_THAT(apply(with("softsign"), {-3, 1}), ElementsAre(-0.75, 0.5));
}

TEST(Activation, GeluHasThreeModes) {
  EXPECT_THAT(apply(gelu("EXACT"), {1}), ElementsAre(near(0.8413447460685429)));
  EXPECT_THAT(apply(gelu("TANH_APPROXIMATION"), {1}), ElementsAre(near(0.8411919906082768)));
  EXPECT_THAT(apply(gelu("SIGMOID_APPROXIMATION"), {1}), ElementsAre(near(0.8457957659328212)));
  EXPECT_THAT(refusal({random_tensor({1}, 0)}, gelu("FAST")), HasSubstr("gelu.c1: mode 'FAST'"));
}

TEST(Activation, ChannelsHaveTheirOwnParameters) {
  const Tensor x = Tensor::of<double>({1, 2, 2}, {-1, 1, -1, 0});
  EXPECT_THAT(values(run_one({x}, with_channels("prelu", {"alpha"}, {0.5, 3}))),
              ElementsAre(-0.5, 1, -3, 0));
  EXPECT_THAT(values(run_one({x}, with_channels("softplus_parametric", {"alpha", "beta"}, {1, 2}))),
              ElementsAre(near(0.31326168751822286), near(1.3132616875182228),
                          near(0.25385602208594499), near(1.3862943611198906)));
}

TEST(Activation, ChannelRulesC1AndC2) {
  EXPECT_THAT(refusal({random_tensor({2}, 0)}, with_channels("prelu", {"alpha"}, {1, 2})),
              HasSubstr("prelu.c1: x [2] has no channel axis 1"));
  EXPECT_THAT(refusal({random_tensor({1, 3}, 0)},
                      with_channels("softplus_parametric", {"alpha", "beta"}, {1, 2})),
              HasSubstr("softplus_parametric.c2: 'alpha' is [2], not [3]"));
}

TEST(Activation, VerifyNamesMissingAndUnknownParameters) {
  EXPECT_THAT(refusal({random_tensor({2}, 0)}, with("elu")),
              HasSubstr("elu needs parameter 'alpha'"));
  EXPECT_THAT(refusal({random_tensor({2}, 0)}, with("relu", {{"alpha", 1}})),
              HasSubstr("relu has no parameter 'alpha'"));
}

TEST(Activation, ParametersAreSingleNumbers) {
  EXPECT_THAT(refusal({random_tensor({1, 2}, 0)}, with_channels("elu", {"alpha"}, {1, 2})),
              HasSubstr("elu: parameter 'alpha' takes one number, not 2"));
}

TEST(Activation, GradientsAgreeWithFiniteDifferences) {
  const Tensor x = random_tensor({2, 2, 9}, 1, -4, 4);
  for (const char* op : {"relu", "relu6", "silu", "sigmoid", "softplus", "softsign"}) {
    SCOPED_TRACE(op);
    expect_gradient({x}, with(op));
  }
  for (const char* op : {"leaky_relu", "elu", "thresholded_relu"}) {
    SCOPED_TRACE(op);
    expect_gradient({x}, with(op, {{"alpha", 0.3}}));
  }
  for (const char* op : {"sigmoid_hard", "scaled_tanh", "clamped_relu", "linear_activation"}) {
    SCOPED_TRACE(op);
    expect_gradient({x}, with(op, {{"alpha", 0.3}, {"beta", 0.7}}));
  }
  for (const char* mode : {"EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"}) {
    SCOPED_TRACE(mode);
    expect_gradient({x}, gelu(mode));
  }
  expect_gradient({x}, with_channels("prelu", {"alpha"}, {0.3, -2}));
  expect_gradient({x}, with_channels("softplus_parametric", {"alpha", "beta"}, {0.3, -2}));
}

TEST(Activation, SlopesAtZeroArePytorchs) {
  const auto slope = [](const BuildOne& build) {
    return run_one({Tensor(DType::kFp64, {1})},
                   [&](Builder& b, const auto& v) {
                     const Value y = build(b, v);
                     return reverse_sweep(b, {{y, b.full_like(y, 1)}}, {v[0]}).at(0);
                   })
        .at(0);
  };
  EXPECT_EQ(slope(with("relu")), 0);
  EXPECT_EQ(slope(with("relu6")), 0);
  EXPECT_EQ(slope(with("leaky_relu", {{"alpha", 0.3}})), 0.3);
  EXPECT_EQ(slope(with("elu", {{"alpha", 0.3}})), 0.3);
}

}  // namespace
}  // namespace anemone
