#include "anemone/kernels/int4_vectors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "anemone/kernels/guarded.h"

namespace anemone {
namespace {

using namespace kernel_testing;  // NOLINT: helpers of this folder

struct Int4Matrix {
  std::vector<uint8_t> packed;
  std::vector<Half> scales;

  Int4Matrix(size_t rows, size_t columns) {
    for (size_t i = 0; i < rows * columns / 2; ++i) {
      packed.push_back(static_cast<uint8_t>(i * 151 + i / 7));
    }
    for (float scale : random_floats(rows * columns / kInt4Group, 5)) {
      scales.push_back(to_half(scale));
    }
  }
  Int4Numbers numbers() const { return {packed.data(), scales.data()}; }
  double at(size_t i) const {
    return int4_at(packed.data(), static_cast<int64_t>(i)) *
           static_cast<double>(to_float(scales[i / kInt4Group]));
  }
};

TEST(Int4, TwoIntegersAByteTheFirstInTheLowHalf) {
  const uint8_t packed[] = {0x80, 0x7F};
  EXPECT_EQ(int4_at(packed, 0), 0);
  EXPECT_EQ(int4_at(packed, 1), -8);
  EXPECT_EQ(int4_at(packed, 2), -1);
  EXPECT_EQ(int4_at(packed, 3), 7);
}

// A vector becomes integers with an error of half of 1/127 of the largest number of the group, and
// the rest is fp32.
TEST(Int4, VectorsLoseNoMoreThanTheirRounding) {
  for (const auto vectors : {detail::portable_int4_vectors(), detail::native_int4_vectors()}) {
    if (!vectors) continue;
    for (const auto& [rows, columns, count] :
         {std::tuple<size_t, size_t, size_t>{1, 32, 1}, {7, 96, 2}, {33, 128, 1}, {18, 416, 3}}) {
      const Int4Matrix matrix(rows, columns);
      const auto x = random_floats(columns * count, 7);
      std::vector<QuantizedBlock> blocks(count * quantized_blocks(columns));
      for (size_t v = 0; v < count; ++v) {
        quantize_vector(x.data() + v, count, columns, &blocks[v * quantized_blocks(columns)]);
      }
      std::vector<float> out(rows * count);
      vectors(matrix.numbers(), rows, columns, blocks.data(), count, out.data(), count);
      for (size_t i = 0; i < out.size(); ++i) {
        double sum = 0, bound = 0;
        for (size_t g = 0; g < columns; g += kInt4Group) {
          double largest = 0, weights = 0;
          for (size_t c = g; c < g + kInt4Group; ++c) {
            const double weight = matrix.at(i / count * columns + c);
            const double number = x[c * count + i % count];
            sum += weight * number;
            weights += std::abs(weight);
            largest = std::max(largest, std::abs(number));
          }
          bound += weights * largest * (0.5 / 127 + kSummed);
        }
        ASSERT_NEAR(out[i], sum, bound) << rows << " x " << columns << " at " << i;
      }
    }
  }
}

TEST(Int4, ARowDependsNeitherOnOthersNorOnOtherVectors) {
  const size_t rows = 21, columns = 160, count = 3;
  const Int4Matrix matrix(rows, columns);
  const auto x = random_floats(columns * count, 7);
  std::vector<QuantizedBlock> blocks(count * quantized_blocks(columns));
  for (size_t v = 0; v < count; ++v) {
    quantize_vector(x.data() + v, count, columns, &blocks[v * quantized_blocks(columns)]);
  }
  std::vector<float> all(rows * count);
  matrix_vectors(matrix.numbers(), rows, columns, blocks.data(), count, all.data(), count);
  for (size_t i = 0; i < all.size(); ++i) {
    float one = 0;
    matrix_vectors(matrix.numbers() + static_cast<int64_t>(i / count * columns), 1, columns,
                   &blocks[i % count * quantized_blocks(columns)], 1, &one, 1);
    EXPECT_EQ(one, all[i]) << i;
  }
}

TEST(Int4, AVectorOfZerosGivesZeros) {
  const Int4Matrix matrix(4, 64);
  const std::vector<float> x(64);
  QuantizedBlock block;
  quantize_vector(x.data(), 1, 64, &block);
  std::vector<float> out(4, 1.0f);
  matrix_vectors(matrix.numbers(), 4, 64, &block, 1, out.data(), 1);
  EXPECT_EQ(out, std::vector<float>(4));
}

}  // namespace
}  // namespace anemone
