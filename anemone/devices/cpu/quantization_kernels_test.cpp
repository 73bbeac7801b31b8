#include <gtest/gtest.h>

#include <cmath>

#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder

// There and back on a grid of `dtype`; `zero` of that type.
template <typename T>
BuildOne there_and_back(const char* dtype, double scale, T zero) {
  return [=](Builder& b, const auto& v) {
    const Value s = b.scalar(DType::kFp32, scale), z = b.constant(Literal::scalar(zero));
    const Value q =
        b.op("quantize",
             {{"input", v[0]}, {"scale", s}, {"zero_point", z}, {"output_dtype", b.text(dtype)}});
    return b.op("dequantize", {{"input", q}, {"scale", s}, {"zero_point", z}});
  };
}

void expect_exact(const Tensor& x, const BuildOne& build) {
  expect_cpu_equals_reference(
      {x}, [&](Builder& b, const auto& v) { return std::vector{build(b, v)}; }, 0);
}

TEST(QuantizationKernels, AreExactlyTheReferenceOnOddSizes) {
  for (const Shape& shape : {Shape{1}, Shape{3, 7}, Shape{1, 5, 1, 1021}, Shape{3, 40099}}) {
    const Tensor x = fp32(shape, 1, -6, 6);
    expect_exact(x, there_and_back("int8", 0.03, int8_t{0}));
    expect_exact(x, there_and_back("int8", 0.07, int8_t{-9}));
    expect_exact(x, there_and_back("uint8", 0.05, uint8_t{130}));
  }
}

TEST(QuantizationKernels, RoundHalvesToEvenAndClampInfinities) {
  const Tensor x = Tensor::of<float>({7}, {0.5f, 1.5f, -2.5f, 127.5f, INFINITY, -INFINITY, 1e30f});
  expect_exact(x, there_and_back("int8", 1, int8_t{0}));
  expect_exact(x, there_and_back("uint8", 1, uint8_t{1}));
}

TEST(QuantizationKernels, AScaleForEachChannelTakesTheReference) {
  const auto build = [](Builder& b, const auto& v) {
    const Value s = b.constant(Tensor::of<float>({3}, {0.1f, 0.2f, 0.3f}));
    return std::vector{b.op(
        "quantize",
        {{"input", v[0]}, {"scale", s}, {"output_dtype", b.text("int8")}, {"axis", b.integer(1)}})};
  };
  expect_fast({fp32({2, 3, 5}, 1, -10, 10)}, build, false);
}

TEST(QuantizationKernels, PackedWeightsAreUnpackedWhenTheProgramIsCompiled) {
  const auto build = [](Builder& b, const auto& v) {
    const Value w = b.constexpr_affine_dequantize(
        Literal::of(Tensor::of<int8_t>({2, 3, 1, 1}, {1, -2, 3, 127, -128, 0})),
        Tensor::of<float>({2}, {0.5f, 0.01f}), 0);
    return std::vector{b.conv1x1(v[0], w)};
  };
  expect_cpu_equals_reference({fp32({1, 3, 1, 9}, 1)}, build);
}

}  // namespace
}  // namespace anemone
