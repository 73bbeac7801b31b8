#include <gtest/gtest.h>

#include "anemone/kernels/guarded.h"
#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

using namespace kernel_testing;  // NOLINT: helpers of this folder

TEST(SimdSums, EqualFp64Loops) {
  for (size_t n : kSizes) {
    SCOPED_TRACE(n);
    const auto a = random_floats(n, 1), b = random_floats(n, 2);
    double squares = 0, product = 0, size = 0;
    for (size_t i = 0; i < n; ++i) {
      squares += static_cast<double>(a[i]) * a[i];
      product += static_cast<double>(a[i]) * b[i];
      size += std::abs(static_cast<double>(a[i]) * b[i]);
    }
    EXPECT_NEAR(simd::sum_of_squares(a.data(), n), squares, 1e-12 * squares);
    expect_close(simd::dot(a.data(), b.data(), n), product, kSummed, size);
  }
}

TEST(SimdSums, SumOfSquaresNeitherOverflowsNorForgetsSmallNumbers) {
  std::vector<float> a(1001, 1e-4f);
  a[0] = 1e30f;
  EXPECT_NEAR(simd::sum_of_squares(a.data(), a.size()) / 1e60, 1, 1e-6);
  a[0] = 1e3f;
  EXPECT_NEAR(simd::sum_of_squares(a.data(), a.size()) - 1e6, 1e-5, 1e-8);
}

TEST(SimdColumns, WeightedRows) {
  for_each_size([](size_t rows, size_t columns) {
    const Matrix m(rows, columns, 3);
    const auto weights = random_floats(rows, 5);
    Guarded out(columns);
    simd::weighted_rows(m.data.data(), rows, columns, m.stride, weights.data(), out.data());
    for (size_t c = 0; c < columns; ++c) {
      double sum = 0;
      for (size_t r = 0; r < rows; ++r) sum += m.at(r, c) * weights[r];
      expect_close(out[c], sum, kSummed, static_cast<double>(rows));
    }
    EXPECT_TRUE(out.intact());
  });
}

TEST(SimdColumns, InverseRmsAndWeightedDot) {
  for_each_size([](size_t rows, size_t columns) {
    const Matrix x(rows, columns, 6), y(rows, columns, 7);
    const auto weight = random_floats(rows, 8);
    constexpr float kEpsilon = 1e-5f;
    Guarded inverse(columns), dots(columns);
    simd::inverse_rms(x.data.data(), rows, columns, x.stride, kEpsilon, inverse.data());
    simd::weighted_dot(x.data.data(), y.data.data(), weight.data(), rows, columns, x.stride,
                       dots.data());
    for (size_t s = 0; s < columns; ++s) {
      double squares = 0, dot = 0;
      for (size_t c = 0; c < rows; ++c) {
        squares += x.at(c, s) * x.at(c, s);
        dot += x.at(c, s) * y.at(c, s) * weight[c];
      }
      expect_close(inverse[s], 1 / std::sqrt(squares / static_cast<double>(rows) + kEpsilon),
                   kSummed);
      expect_close(dots[s], dot, kSummed, static_cast<double>(rows));
    }
    EXPECT_TRUE(inverse.intact() && dots.intact());
  });
}

double log_sum_exp_of(const Matrix& x, size_t s) {
  double maximum = -INFINITY, sum = 0;
  for (size_t c = 0; c < x.rows; ++c) maximum = std::max(maximum, x.at(c, s));
  for (size_t c = 0; c < x.rows; ++c) sum += std::exp(x.at(c, s) - maximum);
  return maximum + std::log(sum);
}

TEST(SimdColumns, LogSumExpOfSmallLargeAndHugeLogits) {
  for (double range : {1.0, 80.0, 3e4}) {
    for_each_size([&](size_t rows, size_t columns) {
      const Matrix x(rows, columns, 9, -range, range);
      Guarded out(columns);
      simd::log_sum_exp(x.data.data(), rows, columns, x.stride, out.data());
      for (size_t s = 0; s < columns; ++s) expect_close(out[s], log_sum_exp_of(x, s), kSummed, 1);
      EXPECT_TRUE(out.intact());
    });
  }
}

// A loss scale is lowered when a gradient is no number: it must not get lost on the way.
TEST(SimdColumns, LogSumExpPassesOnWhatIsNoNumber) {
  for (size_t columns : {1u, 17u}) {
    for (size_t row : {0u, 70u, 129u}) {
      Matrix x(130, columns, 10);
      x.data[row * x.stride] = NAN;
      Guarded out(columns);
      simd::log_sum_exp(x.data.data(), x.rows, columns, x.stride, out.data());
      EXPECT_TRUE(std::isnan(out[0])) << "row " << row << " of " << columns << " columns";
    }
  }
}

TEST(SimdColumns, LogSumExpIgnoresMaskedLogits) {
  Matrix x(70, 3, 11);
  for (size_t row = 1; row < 70; ++row) x.data[row * x.stride] = -INFINITY;
  x.data[0] = 5;
  Guarded out(3);
  simd::log_sum_exp(x.data.data(), x.rows, 3, x.stride, out.data());
  EXPECT_FLOAT_EQ(out[0], 5);
}

TEST(SimdRows, ScaleRow) {
  for (size_t n : kSizes) {
    const auto x = random_floats(n, 12), inverse = random_floats(n, 13);
    Guarded out(n), in_place(x);
    simd::scale_row(x.data(), inverse.data(), 1.5f, out.data(), n);
    simd::scale_row(in_place.data(), inverse.data(), 1.5f, in_place.data(), n);
    for (size_t i = 0; i < n; ++i) {
      expect_close(out[i], 1.5 * x[i] * static_cast<double>(inverse[i]), kRounded);
    }
    EXPECT_EQ(out.values(), in_place.values());
    EXPECT_TRUE(out.intact());
  }
}

TEST(SimdRows, RmsBackwardRowWhicheverOperandIsOverwritten) {
  for (size_t n : kSizes) {
    SCOPED_TRACE(n);
    const auto x = random_floats(n, 14), dy = random_floats(n, 15);
    const auto inverse = random_floats(n, 16, 0.5, 2), mean_dot = random_floats(n, 17);
    Guarded dx(n), over_x(x), over_dy(dy);
    const auto run = [&](const float* from_x, const float* from_dy, float* to,
                         const float* sum = nullptr) {
      return simd::rms_backward_row(from_x, from_dy, inverse.data(), mean_dot.data(), 0.7f, sum, to,
                                    n);
    };
    const float dweight = run(x.data(), dy.data(), dx.data());
    double expected = 0;
    for (size_t i = 0; i < n; ++i) {
      const double r = inverse[i];
      expect_close(dx[i],
                   static_cast<double>(0.7f) * r * dy[i] - x[i] * static_cast<double>(mean_dot[i]),
                   kRounded, 8);
      expected += dy[i] * r * x[i];
    }
    expect_close(dweight, expected, kSummed, static_cast<double>(n));
    EXPECT_EQ(run(over_x.data(), dy.data(), over_x.data()), dweight);
    EXPECT_EQ(run(x.data(), over_dy.data(), over_dy.data()), dweight);
    EXPECT_EQ(over_x.values(), dx.values());
    EXPECT_EQ(over_dy.values(), dx.values());
    EXPECT_TRUE(dx.intact() && over_x.intact() && over_dy.intact());

    const auto sum = random_floats(n, 19);
    Guarded added(sum);
    EXPECT_EQ(run(x.data(), dy.data(), added.data(), added.data()), dweight);
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(added[i], sum[i] + dx[i]);
    EXPECT_TRUE(added.intact());
  }
}

TEST(SimdRows, SoftmaxRowSumsToOneAndClearsTheRest) {
  for (double range : {1.0, 80.0, 3e4}) {
    for (size_t n : kSizes) {
      if (n == 0) continue;
      SCOPED_TRACE(std::to_string(n) + " up to " + std::to_string(range));
      constexpr float kScale = 0.125f;
      const auto x = random_floats(n, 18, -range, range);
      const double maximum = kScale * *std::max_element(x.begin(), x.end());
      double sum = 0;
      for (float value : x) sum += std::exp(kScale * static_cast<double>(value) - maximum);
      Guarded row(n + 5, 9.0f);
      std::copy(x.begin(), x.end(), row.data());
      simd::softmax_row(row.data(), n, n + 5, kScale);
      for (size_t i = 0; i < n; ++i) {
        expect_close(row[i], std::exp(kScale * static_cast<double>(x[i]) - maximum) / sum, kSummed);
      }
      for (size_t i = n; i < n + 5; ++i) EXPECT_EQ(row[i], 0);
      EXPECT_TRUE(row.intact());
    }
  }
}

TEST(SimdRows, SoftmaxRowPassesOnWhatIsNoNumber) {
  for (size_t at : {0u, 5u, 17u}) {
    Guarded row(random_floats(18, 19));
    row.data()[at] = NAN;
    simd::softmax_row(row.data(), 18, 18, 1.0f);
    for (size_t i = 0; i < 18; ++i) EXPECT_TRUE(std::isnan(row[i])) << i;
  }
}

TEST(SimdColumns, SoftmaxDownLeavesOutWhatIsMasked) {
  for_each_size([](size_t rows, size_t columns) {
    std::vector<float> x = random_floats(rows * columns, 22, -90, 90);
    // The first key is always seen.
    for (size_t i = columns; i < x.size(); i += 3) x[i] = -INFINITY;
    Guarded p(x);
    simd::softmax_down(p.data(), rows, columns, 0.5f);
    for (size_t c = 0; c < columns; ++c) {
      double largest = -INFINITY, sum = 0;
      for (size_t r = 0; r < rows; ++r) largest = std::max<double>(largest, x[r * columns + c]);
      for (size_t r = 0; r < rows; ++r) sum += std::exp(0.5 * (x[r * columns + c] - largest));
      for (size_t i = c; i < x.size(); i += columns) {
        expect_close(p[i], std::exp(0.5 * (x[i] - largest)) / sum, 2 * kSummed);
      }
    }
    EXPECT_TRUE(p.intact());
  });
}

TEST(SimdColumns, SoftmaxDownPassesOnWhatIsNoNumber) {
  Guarded p(random_floats(5 * 18, 19));
  p.data()[2 * 18 + 7] = NAN;
  simd::softmax_down(p.data(), 5, 18, 1.0f);
  for (size_t i = 0; i < 5 * 18; ++i) EXPECT_EQ(std::isnan(p[i]), i % 18 == 7) << i;
}

TEST(SimdColumns, SoftmaxBackwardDown) {
  for_each_size([](size_t rows, size_t columns) {
    const auto p = random_floats(rows * columns, 20, 0, 1);
    const auto dp = random_floats(rows * columns, 21);
    Guarded out(dp);
    simd::softmax_backward_down(p.data(), out.data(), rows, columns, 0.5f);
    for (size_t c = 0; c < columns; ++c) {
      double dot = 0;
      for (size_t i = c; i < p.size(); i += columns) dot += static_cast<double>(p[i]) * dp[i];
      for (size_t i = c; i < p.size(); i += columns) {
        expect_close(out[i], p[i] * (dp[i] - dot) * 0.5, kSummed, static_cast<double>(rows));
      }
    }
    EXPECT_TRUE(out.intact());
  });
}

}  // namespace
}  // namespace anemone
