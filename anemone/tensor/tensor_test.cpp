#include "anemone/tensor/tensor.h"

#include <gtest/gtest.h>

#include <limits>

#include "anemone/tensor/compare.h"

namespace anemone {
namespace {

TEST(DType, NamesAreTheirOwnInverse) {
  for (int i = 0; i <= static_cast<int>(DType::kUInt64); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(name(dtype)), dtype);
  }
  EXPECT_EQ(dtype_from_name("fp17"), std::nullopt);
}

TEST(DType, SubByteElementsArePacked) {
  EXPECT_EQ(byte_size(DType::kInt4, 3), 2u);
  EXPECT_EQ(byte_size(DType::kUInt3, 8), 3u);
  EXPECT_EQ(byte_size(DType::kFp16, 3), 6u);
}

TEST(Shape, StridesAreRowMajor) {
  EXPECT_EQ(row_major_strides({2, 3, 4}), (Shape{12, 4, 1}));
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(to_string({1, kUnknownSize}), "[1, ?]");
  EXPECT_EQ(normalize_axis(-1, 3), 2);
  EXPECT_EQ(normalize_axis(3, 3), -1);
}

TEST(Tensor, StartsAsZerosOnACacheLine) {
  const Tensor tensor(DType::kFp32, {3, 5});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data()) % kAlignment, 0u);
  for (float value : tensor.as<float>()) EXPECT_EQ(value, 0.0f);
}

TEST(Tensor, CastTruncatesToIntegersAndWraps) {
  const Tensor x = Tensor::of<float>(
      {8}, {1.9f, -1.9f, 0x1.000002p68f, -0x1.000002p53f, 300.7f, 3e9f, NAN, -INFINITY});
  const auto cast = [&](DType dtype, int64_t i) { return x.cast(dtype).at(i); };
  EXPECT_EQ(cast(DType::kInt32, 0), 1);
  EXPECT_EQ(cast(DType::kInt32, 1), -1);
  EXPECT_EQ(cast(DType::kInt64, 2), 0x1p45);
  EXPECT_EQ(cast(DType::kInt32, 3), -0x1p30);
  EXPECT_EQ(cast(DType::kInt32, 5), 3e9 - 0x1p32);
  // As coremltools 9.
  EXPECT_EQ(cast(DType::kUInt8, 1), 255);
  EXPECT_EQ(cast(DType::kUInt8, 4), 44);
  EXPECT_EQ(cast(DType::kInt8, 4), 44);
  EXPECT_EQ(cast(DType::kInt16, 6), 0);
  EXPECT_EQ(cast(DType::kUInt16, 7), 0);
  EXPECT_EQ(cast(DType::kBool, 0), 1);
  EXPECT_EQ(cast(DType::kFp16, 2), INFINITY);
}

TEST(Tensor, CastToSixteenBitsRoundsOnce) {
  // Just above the middle of 1 and the next number: rounded to fp32 first it would be the middle.
  const Tensor x = Tensor::of<double>({2}, {1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-8 + 0x1p-40});
  EXPECT_EQ(x.cast(DType::kFp16).at(0), 1 + 0x1p-10);
  EXPECT_EQ(x.cast(DType::kBf16).at(1), 1 + 0x1p-7);
}

TEST(Compare, ReportsTheWorstElementAndTreatsNanAsInfinitelyFar) {
  const Tensor a = Tensor::of<float>({3}, {1, 2, 5});
  const Tensor b = Tensor::of<float>({3}, {1, 2, 4});
  EXPECT_EQ(compare(a, b).max_absolute, 1);
  EXPECT_EQ(compare(a, b).worst_index, 2);
  const Tensor nan = Tensor::of<float>({3}, {1, NAN, 4});
  EXPECT_EQ(compare(nan, b).max_absolute, INFINITY);
}

}  // namespace
}  // namespace anemone
