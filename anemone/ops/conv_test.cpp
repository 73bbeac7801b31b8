#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Numbers = std::vector<int64_t>;

struct Options {
  Numbers strides = {}, pad = {}, dilations = {}, output_shape = {};
  int64_t groups = 1;
  const char* pad_type = "custom";
};

BuildOne convolution(const char* op, Options options) {
  return [=](Builder& b, const std::vector<Value>& v) {
    std::vector<Argument> arguments = {{"x", v[0]}, {"weight", v[1]}};
    if (v.size() > 2) arguments.emplace_back("bias", v[2]);
    const auto add = [&](const char* name, const Numbers& numbers) {
      if (!numbers.empty()) arguments.emplace_back(name, b.integers(numbers));
    };
    add("strides", options.strides);
    add("pad", options.pad);
    add("dilations", options.dilations);
    add("output_shape", options.output_shape);
    arguments.emplace_back("groups", b.integer(options.groups));
    arguments.emplace_back("pad_type", b.text(options.pad_type));
    return b.op(op, std::move(arguments));
  };
}

BuildOne conv(Options options = {}) { return convolution("conv", options); }
BuildOne conv_transpose(Options options = {}) { return convolution("conv_transpose", options); }

Tensor row(const std::vector<double>& numbers) {
  return Tensor::of<double>({1, 1, static_cast<int64_t>(numbers.size())}, numbers);
}

TEST(Conv, SlidesTheKernelWithoutTurningIt) {
  const Tensor x = row({1, 2, 3, 4}), w = row({1, 10});
  EXPECT_THAT(values(run_one({x, w}, conv())), ElementsAre(21, 32, 43));
  EXPECT_THAT(values(run_one({x, w}, conv({.strides = {2}}))), ElementsAre(21, 43));
  EXPECT_THAT(values(run_one({x, w}, conv({.dilations = {2}}))), ElementsAre(31, 42));
  EXPECT_THAT(values(run_one({x, w}, conv({.pad = {1, 0}}))), ElementsAre(10, 21, 32, 43));
  EXPECT_THAT(values(run_one({x, w, Tensor::of<double>({1}, {100})}, conv())),
              ElementsAre(121, 132, 143));
}

TEST(Conv, PadTypesPlaceTheKernel) {
  const Tensor x = row({1, 2, 3, 4}), w = row({1, 10});
  EXPECT_THAT(values(run_one({x, w}, conv({.pad_type = "same"}))), ElementsAre(21, 32, 43, 4));
  EXPECT_THAT(values(run_one({x, w}, conv({.pad_type = "same_lower"}))),
              ElementsAre(10, 21, 32, 43));
  EXPECT_THAT(values(run_one({x, w}, conv({.pad = {5, 5}, .pad_type = "valid"}))),
              ElementsAre(21, 32, 43));
  EXPECT_THAT(values(run_one({row({1, 2, 3, 4, 5}), row({1, 1, 1})},
                             conv({.strides = {2}, .pad_type = "same"}))),
              ElementsAre(3, 9, 9));
}

TEST(Conv, GroupsSeeTheirOwnChannels) {
  const Tensor x = Tensor::of<double>({1, 2, 1, 2}, {1, 2, 3, 4});
  const Tensor w = Tensor::of<double>({2, 1, 1, 1}, {10, 100});
  EXPECT_THAT(values(run_one({x, w}, conv({.groups = 2}))), ElementsAre(10, 20, 300, 400));
}

TEST(Conv, TwoDimensionsAgreeWithTorch) {
  // torch.nn.functional.conv2d of arange(9), kernel [[1, 2], [3, 4]].
  Tensor x(DType::kFp64, {1, 1, 3, 3});
  for (int64_t i = 0; i < 9; ++i) x.view().set(i, static_cast<double>(i));
  const Tensor w = Tensor::of<double>({1, 1, 2, 2}, {1, 2, 3, 4});
  EXPECT_THAT(values(run_one({x, w}, conv())), ElementsAre(27, 37, 57, 67));
  EXPECT_THAT(values(run_one({x, w}, conv({.strides = {2, 1}, .pad = {1, 0, 0, 1}}))),
              ElementsAre(4, 11, 6, 57, 67, 29));
}

TEST(ConvTranspose, SpreadsTheKernel) {
  const Tensor x = row({1, 2}), w = row({1, 10, 100});
  EXPECT_THAT(values(run_one({x, w}, conv_transpose())), ElementsAre(1, 12, 120, 200));
  EXPECT_THAT(values(run_one({x, w}, conv_transpose({.strides = {2}}))),
              ElementsAre(1, 10, 102, 20, 200));
  EXPECT_THAT(values(run_one({x, w}, conv_transpose({.pad = {1, 2}}))), ElementsAre(12));
  EXPECT_THAT(values(run_one({x, w}, conv_transpose({.dilations = {2}}))),
              ElementsAre(1, 2, 10, 20, 100, 200));
  EXPECT_THAT(values(run_one({x, w}, conv_transpose({.strides = {2}, .pad_type = "same"}))),
              ElementsAre(1, 10, 102, 20));
  EXPECT_THAT(values(run_one({x, w}, conv_transpose({.strides = {2}, .pad_type = "same_lower"}))),
              ElementsAre(10, 102, 20, 200));
}

TEST(ConvTranspose, OutputShapeCropsOrAddsTheRemainder) {
  const Tensor x = row({1, 2}), w = row({1, 10, 100});
  EXPECT_THAT(values(run_one({x, w}, conv_transpose({.strides = {2}, .output_shape = {1, 1, 6}}))),
              ElementsAre(1, 10, 102, 20, 200, 0));
  EXPECT_THAT(
      values(run_one({x, w},
                     conv_transpose({.strides = {2}, .pad = {1, 1}, .output_shape = {1, 1, 2}}))),
      ElementsAre(10, 102));
}

void expect_rules(const char* op, const BuildOne& plain,
                  const std::function<BuildOne(Options)>& with) {
  const std::string name = op;
  const Tensor x = random_tensor({1, 2, 4}, 0), w = random_tensor({2, 2, 3}, 0);
  EXPECT_THAT(refusal({random_tensor({2, 2}, 0), w}, plain), HasSubstr(name + ".c1: x [2, 2]"));
  EXPECT_THAT(refusal({x, random_tensor({2, 2}, 0)}, plain),
              HasSubstr(name + ".c2: weight [2, 2]"));
  EXPECT_THAT(refusal({random_tensor({1, 3, 4}, 0), w}, plain),
              HasSubstr(name + ".c3: x has 3 channels"));
  EXPECT_THAT(refusal({x, w}, with({.groups = 0})), HasSubstr(name + ".c3: 0 groups"));
  EXPECT_THAT(refusal({x, w}, with({.strides = {0}})), HasSubstr(name + ".c4: 0 in 'strides'"));
  EXPECT_THAT(refusal({x, w}, with({.dilations = {1, 1}})),
              HasSubstr(name + ".c4: 'dilations' has 2 numbers for 1 spatial axes"));
  EXPECT_THAT(refusal({x, w}, with({.pad_type = "full"})),
              HasSubstr(name + ".c5: pad_type 'full'"));
  EXPECT_THAT(refusal({x, w}, with({.pad = {1}})), HasSubstr(name + ".c6: 'pad' has 1 numbers"));
  EXPECT_THAT(refusal({x, w}, with({.pad = {-1, 0}})), HasSubstr(name + ".c6: padding -1"));
  EXPECT_THAT(refusal({x, w.cast(DType::kFp32)}, plain),
              HasSubstr(name + ".c9: x is fp64 and the weight fp32"));
  EXPECT_THAT(refusal({x, w, random_tensor({3}, 0)}, plain),
              HasSubstr(name + ".c10: bias is not tensor<fp64, [2]>"));
}

TEST(Conv, RulesC1ToC10) {
  expect_rules("conv", conv(), conv);
  EXPECT_THAT(refusal({random_tensor({1, 1, 2}, 0), random_tensor({1, 1, 3}, 0)}, conv()),
              HasSubstr("conv.c7: a kernel that spans 3 does not fit in axis 2 of 2"));
}

TEST(ConvTranspose, RulesC1ToC10) {
  expect_rules("conv_transpose", conv_transpose(), conv_transpose);
  const Tensor x = row({1, 2}), w = row({1, 10, 100});
  EXPECT_THAT(refusal({x, w}, conv_transpose({.pad = {2, 2}})),
              HasSubstr("conv_transpose.c7: size 0 of axis 2 is not from 1 to 2"));
  EXPECT_THAT(refusal({x, w}, conv_transpose({.output_shape = {1, 1, 5}})),
              HasSubstr("conv_transpose.c7: size 5 of axis 2 is not from 1 to 4"));
  EXPECT_THAT(refusal({x, w}, conv_transpose({.output_shape = {1, 2, 4}})),
              HasSubstr("conv_transpose.c8: output_shape [1, 2, 4]"));
}

void expect_conv_gradient(const Shape& x, const Shape& w, const BuildOne& build) {
  expect_gradient({random_tensor(x, 1), random_tensor(w, 2), random_tensor({w[0]}, 3)}, build);
}

TEST(Conv, GradientsAgreeWithFiniteDifferences) {
  expect_conv_gradient({2, 2, 5}, {3, 2, 3}, conv());
  expect_conv_gradient({1, 2, 6}, {2, 2, 3}, conv({.strides = {2}}));  // remainder 1
  expect_conv_gradient({2, 1, 7}, {2, 1, 2}, conv({.strides = {3}, .pad = {2, 0}}));
  expect_conv_gradient({1, 2, 7}, {2, 2, 2}, conv({.pad = {1, 2}, .dilations = {3}}));
  expect_conv_gradient({2, 4, 5}, {4, 2, 2}, conv({.strides = {2}, .pad = {0, 1}, .groups = 2}));
  expect_conv_gradient({1, 3, 4, 5}, {3, 1, 3, 2},
                       conv({.strides = {2, 1}, .groups = 3, .pad_type = "same"}));
  expect_conv_gradient({1, 2, 4, 3}, {2, 2, 2, 2},
                       conv({.strides = {1, 2}, .pad = {1, 0, 2, 1}, .dilations = {2, 1}}));
  expect_conv_gradient({1, 1, 2, 3, 2}, {2, 1, 2, 2, 1}, conv({.strides = {1, 2, 1}}));
}

TEST(Conv, PointwiseGradientsAgreeWithFiniteDifferences) {
  expect_conv_gradient({1, 3, 1, 4}, {2, 3, 1, 1}, conv());
  expect_conv_gradient({2, 3, 2, 2}, {2, 3, 1, 1}, conv());
}

TEST(Conv, PointwiseWeightGradientOfOneImageIsOneMatrixProduct) {
  const Tensor x = random_tensor({1, 3, 1, 4}, 1), w = random_tensor({2, 3, 1, 1}, 2);
  const Function function = make_function({x, w}, [](Builder& b, const auto& v) {
    const Value y = b.conv1x1(v[0], v[1]);
    return reverse_sweep(b, {{y, b.full_like(y, 1)}}, {v[1]});
  });
  std::vector<std::string> types;
  for (const auto& op : function.operations) {
    if (op->type != "const") types.push_back(op->type);
  }
  EXPECT_THAT(types, ElementsAre("conv", "fill", "reshape", "reshape", "matmul", "reshape"));
  EXPECT_EQ(function.outputs[0]->type.shape, (Shape{2, 3, 1, 1}));
}

void expect_transpose_gradient(const Shape& x, const Shape& w, Options options) {
  expect_gradient(
      {random_tensor(x, 1), random_tensor(w, 2), random_tensor({w[1] * options.groups}, 3)},
      conv_transpose(options));
}

TEST(ConvTranspose, GradientsAgreeWithFiniteDifferences) {
  expect_transpose_gradient({2, 2, 3}, {2, 3, 3}, {});
  expect_transpose_gradient({1, 2, 3}, {2, 2, 3}, {.strides = {2}, .pad = {1, 2}});
  expect_transpose_gradient({1, 4, 3}, {4, 1, 2}, {.dilations = {2}, .groups = 2});
  expect_transpose_gradient({1, 1, 3}, {1, 1, 2}, {.strides = {3}, .output_shape = {1, 1, 9}});
  expect_transpose_gradient({1, 1, 3}, {1, 1, 1}, {.strides = {3}, .pad_type = "same"});
  expect_transpose_gradient({1, 2, 2, 3}, {2, 1, 3, 2},
                            {.strides = {2, 1}, .pad = {1, 0, 0, 1}, .dilations = {1, 2}});
  expect_transpose_gradient({2, 3, 1, 2}, {3, 2, 1, 1}, {});
}

}  // namespace
}  // namespace anemone
