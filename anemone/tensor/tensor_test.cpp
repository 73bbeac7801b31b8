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

TEST(Tensor, CastTruncatesToIntegersAndSaturates) {
  const Tensor x = Tensor::of<float>({4}, {1.9f, -1.9f, 1e20f, -1e20f});
  const Tensor y = x.cast(DType::kInt32);
  EXPECT_EQ(y.at(0), 1);
  EXPECT_EQ(y.at(1), -1);
  EXPECT_EQ(y.at(2), std::numeric_limits<int32_t>::max());
  EXPECT_EQ(y.at(3), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(x.cast(DType::kBool).at(0), 1);
  EXPECT_EQ(x.cast(DType::kFp16).at(2), INFINITY);
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
