// For tests of kernels: inputs that end where their memory ends, outputs between canaries, and the
// one table of tolerances.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "anemone/base/random.h"

namespace anemone::kernel_testing {

// Errors in units of the result, or of the terms of a sum where they cancel.
constexpr double kRounded = 2e-7;         // one or two fp32 roundings
constexpr double kTranscendental = 2e-6;  // Highway's exp, log and tanh: a few ulp
constexpr double kSummed = 5e-6;          // fp32 sums of up to a few hundred terms
constexpr double kTiny = 1e-36;           // absolute: where fp32 loses precision or flushes to zero

// Around the widths of vectors (4, 8, 16), and some that are none of them.
const std::vector<size_t> kSizes = {0, 1, 2, 7, 15, 16, 17, 33, 100, 257};

// Exactly n numbers on the heap: AddressSanitizer sees a read beyond them.
inline std::vector<float> random_floats(size_t n, uint64_t seed, double low = -2, double high = 2) {
  Random random(seed);
  std::vector<float> result(n);
  for (float& value : result) value = static_cast<float>(low + (high - low) * random.uniform());
  return result;
}

// n numbers at an odd address with canaries on both sides.
class Guarded {
 public:
  explicit Guarded(size_t n, float fill = NAN) : memory_(n + 2 * kGuard, kCanary) {
    std::fill_n(data(), n, fill);
  }
  explicit Guarded(const std::vector<float>& values) : Guarded(values.size()) {
    std::copy(values.begin(), values.end(), data());
  }

  float* data() { return memory_.data() + kGuard; }
  float operator[](size_t i) const { return memory_[kGuard + i]; }
  std::vector<float> values() const { return {memory_.begin() + kGuard, memory_.end() - kGuard}; }
  bool intact() const {
    const auto is_canary = [](float value) { return value == kCanary; };
    return std::all_of(memory_.begin(), memory_.begin() + kGuard, is_canary) &&
           std::all_of(memory_.end() - kGuard, memory_.end(), is_canary);
  }

 private:
  static constexpr float kCanary = -1234.5f;
  static constexpr int kGuard = 33;  // more than a vector, and odd
  std::vector<float> memory_;
};

// Of matrices, whose columns are kSizes.
const std::vector<size_t> kRows = {1, 2, 3, 63, 64, 65, 130};

// A [rows, stride] matrix whose last row ends after `columns`.
struct Matrix {
  size_t rows, columns, stride;
  std::vector<float> data;

  Matrix(size_t r, size_t c, uint64_t seed, double low = -2, double high = 2)
      : rows(r),
        columns(c),
        stride(c + 3),
        data(random_floats((r - 1) * stride + c, seed, low, high)) {}
  double at(size_t row, size_t column) const { return data[row * stride + column]; }
};

template <typename Visit>
void for_each_size(Visit&& visit) {
  for (size_t rows : kRows) {
    for (size_t columns : kSizes) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
      visit(rows, columns);
    }
  }
}

// `scale`: the size of the terms where the result may be smaller than them.
inline void expect_close(float actual, double expected, double tolerance, double scale = 0) {
  const auto rounded = static_cast<float>(expected);
  if (std::isnan(rounded)) {
    EXPECT_TRUE(std::isnan(actual)) << actual << " where there is no number";
  } else if (std::isinf(rounded)) {
    EXPECT_EQ(actual, rounded);
  } else {
    EXPECT_NEAR(actual, expected, tolerance * std::max(std::abs(expected), scale) + kTiny);
  }
}

}  // namespace anemone::kernel_testing
