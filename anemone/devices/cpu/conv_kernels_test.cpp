// Convolutions of every shape, their transposes and gradients give what the reference kernels give.
#include <gtest/gtest.h>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder

struct Case {
  Shape x, weight;  // of conv
  std::vector<int64_t> strides, dilations, pad;
  int64_t groups = 1;
};

const Case kCases[] = {
    {{1, 3, 9, 11}, {5, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
    {{1, 16, 14, 14}, {24, 16, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
    {{1, 17, 7, 7}, {33, 17, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
    {{1, 3, 23, 21}, {8, 3, 7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}},
    {{2, 4, 12, 13}, {6, 4, 3, 2}, {2, 3}, {2, 1}, {0, 2, 3, 1}},
    {{3, 4, 30, 17}, {6, 4, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
    {{1, 12, 9, 9}, {9, 4, 3, 3}, {1, 2}, {1, 1}, {1, 1, 1, 1}, 3},
    {{2, 6, 8, 8}, {6, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 6},
    {{1, 5, 15, 16}, {10, 1, 3, 3}, {2, 2}, {1, 1}, {0, 1, 0, 1}, 5},
    {{1, 4, 20, 33}, {4, 1, 5, 3}, {1, 3}, {2, 1}, {4, 4, 1, 0}, 4},
    // A channel in each lane of a vector.
    {{1, 32, 7, 7}, {32, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 32},
    {{2, 21, 9, 11}, {21, 1, 3, 3}, {2, 2}, {1, 1}, {1, 0, 2, 1}, 21},
    {{1, 17, 40, 6}, {17, 1, 5, 5}, {1, 1}, {1, 1}, {2, 2, 2, 2}, 17},
    {{1, 18, 12, 13}, {18, 1, 3, 2}, {3, 1}, {2, 3}, {4, 0, 0, 5}, 18},
    {{1, 16, 70, 41}, {16, 1, 3, 3}, {2, 3}, {1, 1}, {1, 1, 1, 1}, 16},
    {{2, 8, 6, 5}, {4, 8, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
    {{1, 8, 9, 8}, {11, 8, 1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}},
    {{1, 2, 5, 5}, {3, 2, 1, 1}, {1, 1}, {1, 1}, {2, 1, 0, 3}},
    {{1, 300, 5, 5}, {9, 300, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
    {{2, 3, 19}, {4, 3, 5}, {2}, {1}, {2, 1}},
    {{1, 6, 40}, {6, 1, 3}, {1}, {3}, {3, 3}, 6},
    {{1, 2, 5, 6, 7}, {3, 2, 3, 2, 3}, {2, 1, 1}, {1, 2, 1}, {1, 1, 0, 1, 2, 2}},
    {{2, 3, 4, 5, 6}, {3, 1, 2, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1, 1, 1, 1}, 3},
    {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
};

std::vector<Argument> arguments_of(Builder& b, const Case& c) {
  return {{"strides", b.integers(c.strides)},
          {"pad_type", b.text("custom")},
          {"pad", b.integers(c.pad)},
          {"dilations", b.integers(c.dilations)},
          {"groups", b.integer(c.groups)}};
}

Value conv_of(Builder& b, Value x, Value weight, Value bias, const Case& c) {
  std::vector<Argument> arguments = arguments_of(b, c);
  arguments.insert(arguments.begin(), {{"x", x}, {"weight", weight}});
  if (bias) arguments.emplace_back("bias", bias);
  return b.op("conv", std::move(arguments));
}

std::string name_of(const Case& c) { return to_string(c.x) + " by " + to_string(c.weight); }

TEST(ConvKernels, WindowsOfEveryKindWithAndWithoutBias) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(name_of(c));
    const Inputs inputs = {fp32(c.x, 1), fp32(c.weight, 2), fp32({c.weight[0]}, 3)};
    expect_fast(inputs, [&](Builder& b, const auto& v) {
      return std::vector{conv_of(b, v[0], v[1], nullptr, c)};
    });
    expect_fast(inputs, [&](Builder& b, const auto& v) {
      return std::vector{conv_of(b, v[0], v[1], v[2], c)};
    });
  }
}

TEST(ConvKernels, ConstantWeightsArePackedOnce) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(name_of(c));
    expect_fast({fp32(c.x, 1)}, [&](Builder& b, const auto& v) {
      const Value weight = b.constant(fp32(c.weight, 2)), bias = b.constant(fp32({c.weight[0]}, 3));
      return std::vector{conv_of(b, v[0], weight, bias, c)};
    });
  }
}

TEST(ConvKernels, SamePadding) {
  for (const char* type : {"same", "same_lower", "valid"}) {
    for (int64_t stride : {1, 2, 3}) {
      expect_fast({fp32({1, 3, 10, 11}, 1), fp32({4, 3, 3, 4}, 2)}, [&](Builder& b, const auto& v) {
        return b.ops("conv", {{"x", v[0]},
                              {"weight", v[1]},
                              {"strides", b.integers({stride, stride})},
                              {"pad_type", b.text(type)}});
      });
      expect_fast({fp32({1, 4, 5, 6}, 1), fp32({4, 3, 3, 4}, 2)}, [&](Builder& b, const auto& v) {
        return b.ops("conv_transpose", {{"x", v[0]},
                                        {"weight", v[1]},
                                        {"strides", b.integers({stride, stride})},
                                        {"pad_type", b.text(type)}});
      });
    }
  }
}

TEST(ConvKernels, TransposesWithTheSizesThatLeadBack) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(name_of(c));
    Function forward("f", "ios18");
    Builder shapes(forward);
    const Value y = conv_of(shapes, shapes.input("x", DType::kFp32, c.x),
                            shapes.input("w", DType::kFp32, c.weight), nullptr, c);
    const Inputs inputs = {fp32(y->type.shape, 1), fp32(c.weight, 2), fp32({c.x[1]}, 3)};
    expect_fast(inputs, [&](Builder& b, const auto& v) {
      std::vector<Argument> arguments = arguments_of(b, c);
      arguments.insert(arguments.begin(), {{"x", v[0]}, {"weight", v[1]}, {"bias", v[2]}});
      arguments.emplace_back("output_shape", b.integers(c.x));
      return b.ops("conv_transpose", std::move(arguments));
    });
  }
}

TEST(ConvKernels, GradientsOfImagesWeightsAndBiases) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(name_of(c));
    Function forward("f", "ios18");
    Builder shapes(forward);
    const Value y = conv_of(shapes, shapes.input("x", DType::kFp32, c.x),
                            shapes.input("w", DType::kFp32, c.weight), nullptr, c);
    const Inputs inputs = {fp32(c.x, 1), fp32(c.weight, 2), fp32({c.weight[0]}, 3),
                           fp32(y->type.shape, 4)};
    expect_cpu_equals_reference(inputs, [&](Builder& b, const auto& v) {
      return reverse_sweep(b, {{conv_of(b, v[0], v[1], v[2], c), v[3]}}, {v[0], v[1], v[2]});
    });
  }
}

// conv, then perhaps a sum, then perhaps limits: one operation each for the reference.
TEST(ConvKernels, SumsAndLimitsThatFollow) {
  for (const Case& c : kCases) {
    for (const char* last : {"", "relu", "relu6", "clip"}) {
      for (const bool adds : {false, true}) {
        for (const DType dtype : {DType::kFp32, DType::kFp16}) {
          SCOPED_TRACE(name_of(c) + last + (adds ? " sum" : "") + std::string(name(dtype)));
          const Inputs inputs = {fp32(c.x, 1).cast(dtype)};
          const Build build = [&](Builder& b, const std::vector<Value>& v) {
            const Value weight = b.constant(fp32(c.weight, 2).cast(dtype));
            const Value bias = b.constant(fp32({c.weight[0]}, 3).cast(dtype));
            Value y = conv_of(b, v[0], weight, bias, c);
            if (adds) y = b.add(conv_of(b, b.mul(v[0], 0.5), weight, bias, c), y);
            if (std::string(last) == "clip") {
              y = b.op(
                  "clip",
                  {{"x", y}, {"alpha", b.scalar(dtype, -0.5)}, {"beta", b.scalar(dtype, 0.75)}});
            } else if (*last) {
              y = b.unary(last, y);
            }
            return std::vector{y, b.add(y, 1.0)};
          };
          expect_cpu_equals_reference(inputs, build, dtype == DType::kFp32 ? 3e-6 : 2e-4);
        }
      }
    }
  }
}

}  // namespace
}  // namespace anemone
