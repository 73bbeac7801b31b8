#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/ops/op_def.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;
using Numbers = std::vector<int64_t>;

struct Options {
  Numbers kernel = {2}, strides = {}, pad = {};
  const char* pad_type = "custom";
  bool ceil = false, exclude = false;
};

BuildOne pool(const char* op, Options options) {
  return [=](Builder& b, const std::vector<Value>& v) {
    std::vector<Argument> arguments = {{"x", v[0]},
                                       {"kernel_sizes", b.integers(options.kernel)},
                                       {"pad_type", b.text(options.pad_type)},
                                       {"ceil_mode", b.boolean(options.ceil)}};
    if (!options.strides.empty()) arguments.emplace_back("strides", b.integers(options.strides));
    if (!options.pad.empty()) arguments.emplace_back("pad", b.integers(options.pad));
    if (options.exclude) {
      arguments.emplace_back("exclude_padding_from_average", b.boolean(true));
    }
    return b.op(op, std::move(arguments));
  };
}

BuildOne max_pool(Options options = {}) { return pool("max_pool", options); }
BuildOne avg_pool(Options options = {}) { return pool("avg_pool", options); }
BuildOne l2_pool(Options options = {}) { return pool("l2_pool", options); }

Tensor row(const std::vector<double>& numbers) {
  return Tensor::of<double>({1, 1, static_cast<int64_t>(numbers.size())}, numbers);
}

Tensor image() { return Tensor::of<double>({1, 1, 3, 4}, {0, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0}); }

TEST(MaxPool, TakesTheMostOfEveryWindow) {
  const Tensor x = row({-3, -1, -4, -2});
  EXPECT_THAT(values(run_one({x}, max_pool())), ElementsAre(-1, -1, -2));
  EXPECT_THAT(values(run_one({x}, max_pool({.strides = {2}}))), ElementsAre(-1, -2));
}

TEST(MaxPool, PaddingIsMinusInfinity) {
  const Tensor x = row({-3, -1, -4, -2});
  EXPECT_THAT(values(run_one({x}, max_pool({.pad = {1, 0}}))), ElementsAre(-3, -1, -1, -2));
  EXPECT_THAT(values(run_one({x}, max_pool({.pad_type = "same"}))), ElementsAre(-1, -1, -2, -2));
  EXPECT_THAT(values(run_one({x}, max_pool({.pad_type = "same_lower"}))),
              ElementsAre(-3, -1, -1, -2));
  EXPECT_THAT(values(run_one({x}, max_pool({.pad = {1, 1}, .pad_type = "valid"}))),
              ElementsAre(-1, -1, -2));
}

TEST(MaxPool, KeepsNaN) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto y = values(run_one({row({1, nan, 2, 3})}, max_pool({.strides = {2}})));
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], 3);
}

TEST(MaxPool, TwoDimensionsAgreeWithTorch) {
  // torch.nn.functional.max_pool2d
  EXPECT_THAT(values(run_one({image()},
                             max_pool({.kernel = {2, 2}, .strides = {2, 1}, .pad = {1, 1, 1, 1}}))),
              ElementsAre(0, 7, 7, 10, 10, 6, 8, 9, 9, 5));
  EXPECT_THAT(
      values(run_one({image()}, max_pool({.kernel = {2, 3}, .strides = {2, 2}, .ceil = true}))),
      ElementsAre(9, 10, 8, 4));
}

TEST(MaxPool, ReadsFp32) {
  const Tensor y = run_one({row({1, 5, 2}).cast(DType::kFp32)}, max_pool());
  EXPECT_EQ(y.dtype(), DType::kFp32);
  EXPECT_THAT(values(y), ElementsAre(5, 5));
}

TEST(AveragePool, DividesByTheKernelOrByWhatIsReal) {
  // torch.nn.functional.avg_pool2d with count_include_pad.
  Options options = {.kernel = {2, 3}, .strides = {1, 2}, .pad = {1, 1, 1, 1}};
  EXPECT_THAT(values(run_one({image()}, avg_pool(options))),
              Pointwise(DoubleNear(1e-12), {7.0 / 6, 20.0 / 6, 15.0 / 6, 36.0 / 6, 17.0 / 6,
                                            28.0 / 6, 9.0 / 6, 12.0 / 6}));
  options.exclude = true;
  EXPECT_THAT(values(run_one({image()}, avg_pool(options))),
              Pointwise(DoubleNear(1e-12), {3.5, 20.0 / 3, 3.75, 6.0, 4.25, 28.0 / 6, 4.5, 4.0}));
}

TEST(AveragePool, SeesEveryPlaneAlone) {
  const Tensor x = Tensor::of<double>({2, 2, 2}, {1, 3, 10, 30, 100, 300, 1000, 3000});
  EXPECT_THAT(values(run_one({x}, avg_pool())), ElementsAre(2, 20, 200, 2000));
}

TEST(L2Pool, IsTheRootOfTheSumOfSquares) {
  EXPECT_THAT(values(run_one({row({3, -4, 0, 12})}, l2_pool({.strides = {2}}))),
              ElementsAre(5, 12));
}

TEST(Pooling, CeilModeEndsWithAWindowThatStartsBeforeTheEnd) {
  const Tensor x = row({1, 2, 3, 4, 5, 6});
  EXPECT_THAT(values(run_one({x}, max_pool({.kernel = {3}, .strides = {2}}))), ElementsAre(3, 5));
  EXPECT_THAT(values(run_one({x}, max_pool({.kernel = {3}, .strides = {2}, .ceil = true}))),
              ElementsAre(3, 5, 6));
  // floor((6 + 2 - 2 + 2) / 3) + 1 = 3; the third window starts at 6 of 7.
  EXPECT_THAT(values(run_one({x}, max_pool({.strides = {3}, .pad = {1, 1}, .ceil = true}))),
              ElementsAre(1, 4, 6));
  // floor((4 + 2 - 2 + 2) / 3) + 1 = 3, less one: the third would start at 6 of 5.
  EXPECT_THAT(
      values(run_one({row({1, 2, 3, 4})}, max_pool({.strides = {3}, .pad = {1, 1}, .ceil = true}))),
      ElementsAre(1, 4));
  EXPECT_THAT(values(run_one({x}, avg_pool({.kernel = {4}, .strides = {4}, .ceil = true}))),
              ElementsAre(2.5, 2.75));
  EXPECT_THAT(values(run_one(
                  {x}, avg_pool({.kernel = {4}, .strides = {4}, .ceil = true, .exclude = true}))),
              ElementsAre(2.5, 5.5));
}

TEST(Pooling, ThreeDimensionsSeeTheWholeCube) {
  const Tensor x = Tensor::of<double>({1, 1, 2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Options options = {.kernel = {2, 2, 2}};
  EXPECT_THAT(values(run_one({x}, max_pool(options))), ElementsAre(8));
  EXPECT_THAT(values(run_one({x}, avg_pool(options))), ElementsAre(4.5));
}

TEST(Pooling, CostsOneFlopForEveryElementOfEveryWindow) {
  const Function f = make_function({row({1, 2, 3, 4})}, [](Builder& b, const auto& v) {
    return std::vector{max_pool({.kernel = {3}})(b, v), l2_pool({.kernel = {3}})(b, v)};
  });
  EXPECT_EQ(cost_of(*f.outputs[0]->producer).flops, 6);
  EXPECT_EQ(cost_of(*f.outputs[1]->producer).flops, 12);
}

class PoolRules : public testing::TestWithParam<const char*> {
 protected:
  std::string refused(const Shape& x, const Options& options) {
    return refusal({random_tensor(x, 0)}, pool(GetParam(), options));
  }
  auto says(const std::string& rest) { return HasSubstr(GetParam() + rest); }
};

TEST_P(PoolRules, C1InputHasOneToThreeSpatialAxes) {
  EXPECT_THAT(refused({2, 2}, {}), says(".c1: x [2, 2]"));
  EXPECT_THAT(refused({2, 2, 2, 2, 2, 2}, {}), says(".c1: x [2, 2, 2, 2, 2, 2]"));
}

TEST_P(PoolRules, C2OneKernelSizeForEachAxis) {
  EXPECT_THAT(refused({1, 1, 4}, {.kernel = {2, 2}}),
              says(".c2: 'kernel_sizes' has 2 numbers for 1 spatial axes"));
  EXPECT_THAT(refused({1, 1, 4}, {.kernel = {0}}), says(".c2: 0 in 'kernel_sizes'"));
}

TEST_P(PoolRules, C3CeilModeNeedsEvenPaddingOnOneOrTwoAxes) {
  const auto refuses = says(".c3: ceil_mode takes");
  EXPECT_THAT(refused({1, 1, 4}, {.pad = {1, 0}, .ceil = true}), refuses);
  EXPECT_THAT(refused({1, 1, 4}, {.pad_type = "same", .ceil = true}), refuses);
  EXPECT_THAT(refused({1, 1, 4, 4, 4}, {.kernel = {2, 2, 2}, .ceil = true}), refuses);
}

TEST_P(PoolRules, C4OneStrideForEachAxis) {
  EXPECT_THAT(refused({1, 1, 4}, {.strides = {1, 1}}),
              says(".c4: 'strides' has 2 numbers for 1 spatial axes"));
  EXPECT_THAT(refused({1, 1, 4}, {.strides = {0}}), says(".c4: 0 in 'strides'"));
}

TEST_P(PoolRules, C5PadTypeIsKnown) {
  EXPECT_THAT(refused({1, 1, 4}, {.pad_type = "full"}), says(".c5: pad_type 'full'"));
}

TEST_P(PoolRules, C6CustomPaddingHasTwoNumbersForEachAxis) {
  EXPECT_THAT(refused({1, 1, 4}, {.pad = {1}}), says(".c6: 'pad' has 1 numbers"));
  EXPECT_THAT(refused({1, 1, 4}, {.pad = {0, -1}}), says(".c6: padding -1"));
}

TEST_P(PoolRules, C7TheKernelFits) {
  EXPECT_THAT(refused({1, 1, 4}, {.kernel = {6}, .pad = {1, 0}}),
              says(".c7: a kernel that spans 6 does not fit in axis 2 of 5"));
}

TEST_P(PoolRules, C8EveryWindowSeesAnElement) {
  const auto refuses = says(".c8: on axis 2 a window of 2 sees padding only");
  EXPECT_THAT(refused({1, 1, 4}, {.pad = {2, 0}}), refuses);
  EXPECT_THAT(refused({1, 1, 4}, {.pad = {0, 2}}), refuses);
  // Without padding, ceil_mode keeps a window that starts past the end.
  EXPECT_THAT(refused({1, 1, 3}, {.strides = {4}, .ceil = true}), refuses);
}

INSTANTIATE_TEST_SUITE_P(Ops, PoolRules, testing::Values("max_pool", "avg_pool", "l2_pool"),
                         [](const auto& info) { return std::string(info.param); });

class PoolGradients : public testing::TestWithParam<const char*> {
 protected:
  void expect(const Shape& x, const Options& options) {
    expect_gradient({random_tensor(x, 1)}, pool(GetParam(), options));
  }
};

TEST_P(PoolGradients, AgreeWithFiniteDifferences) {
  expect({2, 3, 5}, {});
  expect({1, 2, 7}, {.strides = {3}});  // a remainder that no window sees
  expect({1, 2, 6}, {.kernel = {3}, .strides = {2}, .pad = {2, 1}});
  expect({1, 2, 6}, {.kernel = {3}, .strides = {2}, .ceil = true});
  expect({1, 2, 4}, {.kernel = {2}, .strides = {3}, .pad = {1, 1}, .ceil = true});
  expect({2, 2, 4, 5}, {.kernel = {2, 3}, .strides = {1, 2}, .pad_type = "same"});
  expect({1, 2, 4, 3}, {.kernel = {3, 2}, .strides = {2, 1}, .pad_type = "same_lower"});
  expect({1, 2, 2, 3, 2}, {.kernel = {2, 2, 1}, .pad = {0, 0, 1, 0, 0, 0}});
}

INSTANTIATE_TEST_SUITE_P(Ops, PoolGradients, testing::Values("max_pool", "avg_pool", "l2_pool"),
                         [](const auto& info) { return std::string(info.param); });

TEST(AveragePool, GradientsWithoutPaddingAgreeWithFiniteDifferences) {
  const Tensor x = random_tensor({1, 2, 4, 5}, 1);
  expect_gradient({x}, avg_pool({.kernel = {2, 3}, .pad = {1, 0, 2, 1}, .exclude = true}));
  expect_gradient(
      {x}, avg_pool({.kernel = {3, 3}, .strides = {2, 2}, .pad_type = "same", .exclude = true}));
}

// d sum(pool(x)) / dx
std::vector<double> slope(const Tensor& x, const BuildOne& build) {
  return values(run_one({x}, [&](Builder& b, const std::vector<Value>& v) {
    const Value y = build(b, v);
    return reverse_sweep(b, {{y, b.full_like(y, 1)}}, {v[0]})[0];
  }));
}

TEST(MaxPool, TheFirstMaximumTakesTheGradient) {
  EXPECT_THAT(slope(row({2, 2, 1, 2}), max_pool()), ElementsAre(1, 1, 0, 1));
  EXPECT_THAT(slope(row({2, 2, 2, 2}), max_pool({.kernel = {3}, .pad = {1, 1}})),
              ElementsAre(2, 1, 1, 0));
}

TEST(L2Pool, TheGradientOfZeroIsZero) {
  EXPECT_THAT(slope(row({0, 0, 0, 4}), l2_pool({.strides = {2}})), ElementsAre(0, 0, 0, 1));
}

}  // namespace
}  // namespace anemone
