#include <gtest/gtest.h>

#include "anemone/base/half.h"
#include "anemone/kernels/guarded.h"
#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

using namespace kernel_testing;  // NOLINT: helpers of this folder

constexpr size_t kMostVectors = 11;  // more than are taken together

// `vectors` vectors whose beginnings are `stride` apart, the last ending where the memory does.
struct Vectors {
  size_t count, stride;
  std::vector<float> data;

  Vectors(size_t n, size_t columns, uint64_t seed)
      : count(n), stride(columns + 5), data(random_floats((n - 1) * stride + columns, seed)) {}
  const float* at(size_t v) const { return data.data() + v * stride; }
};

// The sums of `wide(index)`, what the matrix holds there, in fp64.
template <typename T, typename Wide>
void expect_products(const Matrix& m, const std::vector<T>& numbers, const Vectors& x,
                     const Wide& wide, double largest) {
  const size_t out_stride = x.count + 2;
  Guarded out((m.rows - 1) * out_stride + x.count);
  simd::matrix_vectors(numbers.data(), m.rows, m.columns, m.stride, x.data.data(), x.stride,
                       x.count, nullptr, out.data(), out_stride);
  for (size_t r = 0; r < m.rows; ++r) {
    for (size_t v = 0; v < x.count; ++v) {
      double sum = 0;
      for (size_t c = 0; c < m.columns; ++c) sum += wide(numbers[r * m.stride + c]) * x.at(v)[c];
      expect_close(out[r * out_stride + v], sum, kSummed, largest * static_cast<double>(m.columns));
    }
    for (size_t gap = r * out_stride + x.count; r + 1 < m.rows && gap < (r + 1) * out_stride; ++gap)
      EXPECT_TRUE(std::isnan(out[gap]));
  }
  EXPECT_TRUE(out.intact());
}

TEST(SimdMatrix, TimesOneVectorAndTimesSeveral) {
  for_each_size([](size_t rows, size_t columns) {
    const Matrix m(rows, columns, 3);
    for (size_t vectors : {1, 2, 3, 4, 5, 6, 7, 8, 11}) {
      expect_products(
          m, m.data, Vectors(vectors, columns, 4), [](float w) { return double{w}; }, 2);
    }
  });
}

TEST(SimdMatrix, InBf16IsWidenedAndNotTheVectors) {
  for_each_size([](size_t rows, size_t columns) {
    const Matrix m(rows, columns, 9);
    std::vector<uint16_t> narrow;
    for (const float value : m.data) narrow.push_back(to_bfloat16(value).bits);
    const auto wide = [](uint16_t w) { return static_cast<double>(to_float(BFloat16{w})); };
    for (size_t vectors : {1, 4})
      expect_products(m, narrow, Vectors(vectors, columns, 10), wide, 2);
  });
}

TEST(SimdMatrix, InInt8IsWidenedToWhatItsSignSays) {
  for_each_size([](size_t rows, size_t columns) {
    const Matrix m(rows, columns, 11, -128, 128);
    std::vector<int8_t> narrow;
    for (const float value : m.data) narrow.push_back(static_cast<int8_t>(std::floor(value)));
    const auto wide = [](int8_t w) { return static_cast<double>(w); };
    for (size_t vectors : {1, 2}) {
      expect_products(m, narrow, Vectors(vectors, columns, 12), wide, 128);
    }
  });
}

// Threads take rows as they come, and tokens are computed alone or beside others.
TEST(SimdMatrix, AProductIsTheSameToTheLastBitWhateverRowsAndVectorsAreBesideIt) {
  const size_t rows = 11;
  for (size_t columns : kSizes) {
    SCOPED_TRACE(columns);
    const Matrix m(rows, columns, 3);
    const Vectors x(kMostVectors, columns, 4);
    std::vector<float> together(rows * x.count), alone(together.size());
    simd::matrix_vectors(m.data.data(), rows, columns, m.stride, x.data.data(), x.stride, x.count,
                         nullptr, together.data(), x.count);
    for (size_t i = 0; i < alone.size(); ++i) {
      simd::matrix_vector(m.data.data() + i / x.count * m.stride, 1, columns, m.stride,
                          x.at(i % x.count), &alone[i]);
    }
    EXPECT_EQ(together, alone);
  }
}

}  // namespace
}  // namespace anemone
