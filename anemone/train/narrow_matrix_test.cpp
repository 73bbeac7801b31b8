#include "anemone/train/narrow_matrix.h"

#include <gtest/gtest.h>

#include <cmath>

#include "anemone/base/int4.h"
#include "anemone/base/random.h"

namespace anemone {
namespace {

Tensor random_matrix(int64_t rows, int64_t columns) {
  Random random(3);
  Tensor matrix(DType::kFp32, {rows, columns});
  for (float& x : matrix.as<float>()) x = static_cast<float>(random.normal());
  return matrix;
}

double int4_value(const NarrowMatrix& matrix, int64_t i) {
  return int4_at(static_cast<const uint8_t*>(matrix.numbers.view().data), i) *
         matrix.scales.view().at(i / kInt4Group);
}

// Numbers of the other sign than the farthest one reach 7 of 8 steps, those beyond lose up to a
// whole one; the scale itself is rounded to fp16.
TEST(NarrowMatrix, Int4IsTheNearestStepOfItsGroup) {
  const Tensor matrix = random_matrix(5, 96);
  const NarrowMatrix narrow = narrowed(matrix, DType::kInt4);
  EXPECT_EQ(narrow.scales.shape(), (Shape{5, 3}));
  for (int64_t i = 0; i < matrix.size(); ++i) {
    const double step = std::abs(narrow.scales.view().at(i / kInt4Group)), x = matrix.view().at(i);
    const bool clipped = std::abs(x) > 7.5 * step;
    EXPECT_NEAR(int4_value(narrow, i), x, step * (clipped ? 1.01 : 0.5001)) << i;
  }
}

TEST(NarrowMatrix, TheFarthestNumberOfAGroupIsEightSteps) {
  Tensor matrix(DType::kFp32, {1, 32});
  matrix.as<float>()[3] = 4;
  matrix.as<float>()[9] = -2;
  matrix.as<float>()[30] = 0.6f;
  const NarrowMatrix narrow = narrowed(matrix, DType::kInt4);
  EXPECT_EQ(narrow.scales.view().at(0), -0.5);
  EXPECT_EQ(int4_value(narrow, 3), 4);
  EXPECT_EQ(int4_value(narrow, 9), -2);
  EXPECT_EQ(int4_value(narrow, 30), 0.5);
  EXPECT_EQ(int4_value(narrow, 0), 0);
}

TEST(NarrowMatrix, GroupsOfZerosAndOfTinyNumbersAreZeros) {
  Tensor matrix(DType::kFp32, {2, 32});
  matrix.as<float>()[40] = 1e-30f;
  const NarrowMatrix narrow = narrowed(matrix, DType::kInt4);
  for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(int4_value(narrow, i), 0);
}

TEST(NarrowMatrix, OfBf16IsThatOfTheSameNumbersInFp32) {
  const Tensor stored = random_matrix(4, 64).cast(DType::kBf16);
  const Tensor wide = stored.cast(DType::kFp32);
  for (const DType type : {DType::kInt8, DType::kInt4}) {
    const NarrowMatrix a = narrowed(stored, type), b = narrowed(wide, type);
    const auto bytes = [](const Tensor& tensor) {
      return std::string(static_cast<const char*>(tensor.view().data), tensor.view().bytes());
    };
    EXPECT_EQ(bytes(a.numbers), bytes(b.numbers));
    EXPECT_EQ(bytes(a.scales), bytes(b.scales));
  }
}

}  // namespace
}  // namespace anemone
