#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "anemone/base/half.h"
#include "anemone/kernels/guarded.h"
#include "anemone/kernels/tiles.h"

namespace anemone {
namespace {

using namespace kernel_testing;  // NOLINT: helpers of this folder

// Against the conversion in software, with rows of both sides longer than their columns.
TEST(RoundRows, MakesTheNearestNumberOfEachAndLeavesWhatLiesBetweenRows) {
  const BFloat16 canary = to_bfloat16(-1234.5f);
  for_each_size([&](size_t rows, size_t columns) {
    if (columns == 0) return;
    const Matrix x(rows, columns, 1);
    const size_t stride = columns + 5;
    std::vector<BFloat16> made((rows - 1) * stride + columns + 1, canary);
    round_rows(x.data.data(), static_cast<int64_t>(x.stride), static_cast<int64_t>(rows),
               static_cast<int64_t>(columns), made.data(), static_cast<int64_t>(stride));
    for (size_t at = 0; at < made.size(); ++at) {
      const size_t row = at / stride, column = at % stride;
      const bool inside = row < rows && column < columns;
      const BFloat16 expected =
          inside ? to_bfloat16(static_cast<float>(x.at(row, column))) : canary;
      ASSERT_EQ(made[at].bits, expected.bits) << "at " << row << ", " << column;
    }
  });
}

TEST(RoundRows, TiesGoToEvenAndWhatIsNoNumberStaysNone) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // Halves of the last place of 1 and of the number after it; the largest number rounds to
  // infinity.
  const std::vector<float> x = {1 + 0x1p-8f, 1 + 0x3p-8f, -1 - 0x1p-8f,
                                0.0f,        -0.0f,       NAN,
                                kInfinity,   -kInfinity,  std::numeric_limits<float>::max()};
  std::vector<BFloat16> made(x.size());
  const auto n = static_cast<int64_t>(x.size());
  round_rows(x.data(), n, 1, n, made.data(), n);
  const std::vector<float> expected = {1,   1 + 0x1p-6f, -1,         0.0f,     -0.0f,
                                       NAN, kInfinity,   -kInfinity, kInfinity};
  for (size_t i = 0; i < x.size(); ++i) {
    const float value = to_float(made[i]);
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(value)) << i;
      continue;
    }
    EXPECT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(expected[i])) << i;
  }
}

}  // namespace
}  // namespace anemone
