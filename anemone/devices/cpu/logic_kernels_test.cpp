// Kernels that make or read bools.
#include <gtest/gtest.h>

#include <limits>

#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder

constexpr const char* kComparisons[] = {"equal", "greater",    "greater_equal",
                                        "less",  "less_equal", "not_equal"};

// Whole numbers, so that some are equal, and NaN.
Tensor whole_numbers(const Shape& shape, uint64_t seed) {
  Tensor tensor = fp32(shape, seed, -2.4, 2.4);
  for (float& x : tensor.as<float>()) x = std::nearbyint(x);
  tensor.as<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  return tensor;
}

Tensor flags(const Shape& shape, uint64_t seed) {
  const Tensor numbers = fp32(shape, seed);
  Tensor tensor(DType::kBool, shape);
  for (int64_t i = 0; i < numbers.size(); ++i) {
    tensor.as<bool>()[static_cast<size_t>(i)] = numbers.at(i) > 0;
  }
  return tensor;
}

TEST(LogicKernels, CompareTensorsAndNumbers) {
  for (const Shape& shape : {Shape{1}, Shape{3, 7}, Shape{1, 5, 1, 10007}}) {
    for (const char* op : kComparisons) {
      SCOPED_TRACE(op + to_string(shape));
      expect_fast({whole_numbers(shape, 1), whole_numbers(shape, 2)},
                  [&](Builder& b, const auto& v) { return std::vector{b.binary(op, v[0], v[1])}; });
      expect_fast({whole_numbers(shape, 3)}, [&](Builder& b, const auto& v) {
        return std::vector{b.binary(op, v[0], b.scalar(DType::kFp32, 1))};
      });
    }
  }
}

TEST(LogicKernels, LeaveOtherShapesToTheReference) {
  expect_fast(
      {fp32({3, 7}, 1), fp32({7}, 2)},
      [](Builder& b, const auto& v) { return std::vector{b.binary("less", v[0], v[1])}; }, false);
  expect_fast(
      {flags({3, 1}, 1), fp32({3, 7}, 2), fp32({3, 7}, 3)},
      [](Builder& b, const auto& v) { return std::vector{b.select(v[0], v[1], v[2])}; }, false);
}

TEST(LogicKernels, CombineBools) {
  const Shape shape = {5, 4099};
  for (const char* op : {"logical_and", "logical_or", "logical_xor"}) {
    SCOPED_TRACE(op);
    expect_fast({flags(shape, 1), flags(shape, 2)},
                [&](Builder& b, const auto& v) { return std::vector{b.binary(op, v[0], v[1])}; });
  }
  expect_fast({flags(shape, 1)},
              [](Builder& b, const auto& v) { return std::vector{b.unary("logical_not", v[0])}; });
  expect_fast({flags(shape, 3)},
              [](Builder& b, const auto& v) { return std::vector{b.cast(v[0], DType::kFp32)}; });
}

TEST(LogicKernels, SelectBetweenTensorsAndNumbers) {
  const Shape shape = {3, 8209};
  for (const Shape& a : {shape, Shape{}}) {
    for (const Shape& other : {shape, Shape{1, 1}}) {
      expect_fast({flags(shape, 1), fp32(a, 2), fp32(other, 3)}, [](Builder& b, const auto& v) {
        return std::vector{b.select(v[0], v[1], v[2])};
      });
    }
  }
}

}  // namespace
}  // namespace anemone
