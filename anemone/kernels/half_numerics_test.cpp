// Every loop on every instruction set that this machine has, bit for bit.
#include "anemone/kernels/half_numerics.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include <hwy/targets.h>

#include "anemone/base/half.h"
#include "anemone/kernels/guarded.h"
#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

using namespace kernel_testing;  // NOLINT: helpers of this folder

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void on_every_target(const std::function<void()>& test) {
  const int64_t all = hwy::SupportedTargets();
  for (int64_t target = 1; target > 0 && target <= all; target <<= 1) {
    if ((all & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    SCOPED_TRACE(simd::target_name());
    test();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

void expect_same_bits(const std::vector<float>& actual, const std::vector<float>& expected,
                      const std::vector<float>& from) {
  ASSERT_EQ(actual.size(), expected.size());
  size_t different = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const bool same = std::bit_cast<uint32_t>(actual[i]) == std::bit_cast<uint32_t>(expected[i]);
    if (same || (std::isnan(actual[i]) && std::isnan(expected[i]))) continue;
    if (++different > 3) continue;
    ADD_FAILURE() << std::hexfloat << from[i] << " became " << actual[i] << ", not " << expected[i];
  }
  EXPECT_EQ(different, 0);
}

std::vector<float> finished(std::vector<float> x, const simd::Finish& how) {
  simd::finish(x.data(), x.size(), how);
  return x;
}

// Every fp16 number, the middle between it and the next, and the fp32 numbers around both.
std::vector<float> around_every_half() {
  std::vector<float> result;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = to_float(Half{static_cast<uint16_t>(bits)});
    if (!std::isfinite(value)) {
      result.push_back(value);
      continue;
    }
    float next = to_float(Half{static_cast<uint16_t>(bits + 1)});
    if (std::isinf(next)) next = std::copysign(65536.0f, value);
    const float middle = (value + next) / 2;
    for (const float near : {value, middle}) {
      result.insert(result.end(),
                    {near, std::nextafter(near, kInfinity), std::nextafter(near, -kInfinity)});
    }
  }
  return result;
}

TEST(Finish, RoundsToTheSameHalfAsTheConversionInSoftware) {
  std::vector<float> from = around_every_half();
  for (const float extreme : {65519.996f, 65520.0f, 1e10f, std::numeric_limits<float>::max(),
                              std::numeric_limits<float>::denorm_min(), 1e-30f, 0.0f}) {
    from.insert(from.end(), {extreme, -extreme});
  }
  std::vector<float> expected;
  for (const float value : from) expected.push_back(to_float(to_half(value)));
  on_every_target([&] {
    expect_same_bits(finished(from, {.round = true, .nan_to_zero = false}), expected, from);
  });
}

TEST(Finish, TurnsWhatIsNoNumberIntoPlusZeroAndNothingElse) {
  const std::vector<float> from = {NAN, -NAN, kInfinity, -kInfinity, -0.0f, 1.0f + 0x1p-20f};
  const std::vector<float> kept = {0, 0, kInfinity, -kInfinity, -0.0f, 1.0f + 0x1p-20f};
  on_every_target([&] {
    expect_same_bits(finished(from, {.round = false, .nan_to_zero = true}), kept, from);
    expect_same_bits(finished(from, {.round = false, .nan_to_zero = false}), from, from);
  });
}

TEST(Finish, HasItsCeilingBehindTheRounding) {
  const std::vector<float> from = {32752, -32752, 32760, -32768, 40000, NAN};
  on_every_target([&] {
    expect_same_bits(finished(from, {.ceiling = 32768}),
                     {32752, -32752, kInfinity, -kInfinity, kInfinity, 0}, from);
    expect_same_bits(finished(from, {.round = false, .ceiling = 32768}),
                     {32752, -32752, 32760, -kInfinity, kInfinity, 0}, from);
    expect_same_bits(finished(from, {}), {32752, -32752, 32768, -32768, 40000, 0}, from);
  });
}

TEST(Finish, TouchesNothingBesideItsNumbers) {
  on_every_target([] {
    for (const size_t n : kSizes) {
      const std::vector<float> from = random_floats(n, n);
      Guarded x(from), entry(std::vector<float>(n, NAN));
      simd::finish(x.data(), n, {});
      simd::nan_to_infinity(entry.data(), n);
      EXPECT_TRUE(x.intact());
      EXPECT_TRUE(entry.intact());
      for (size_t i = 0; i < n; ++i) {
        EXPECT_EQ(x[i], to_float(to_half(from[i])));
        EXPECT_EQ(entry[i], kInfinity);
      }
    }
  });
}

TEST(NanToInfinity, LeavesNumbersAlone) {
  std::vector<float> x = {NAN, -NAN, -kInfinity, -0.0f, 2049, 1e-45f};
  const std::vector<float> from = x;
  on_every_target([&] {
    x = from;
    simd::nan_to_infinity(x.data(), x.size());
    expect_same_bits(x, {kInfinity, kInfinity, -kInfinity, -0.0f, 2049, 1e-45f}, from);
  });
}

// --- grid_matmul ---

// fp16 numbers.
std::vector<float> random_halves(size_t n, uint64_t seed, double largest) {
  std::vector<float> result = random_floats(n, seed, -largest, largest);
  for (float& value : result) value = to_float(to_half(value));
  return result;
}

// The rule once more, on whole numbers of 2^-16: products of fp16 numbers are exact in fp64.
float oracle(const std::vector<float>& a, const std::vector<float>& b) {
  float total = 0;
  for (size_t k = 0; k < a.size(); k += 4) {
    double sum = 0;
    for (size_t j = k; j < std::min(k + 4, a.size()); ++j) {
      const auto units = std::llrint(static_cast<double>(a[j]) * b[j] * 65536);  // ties to even
      sum = to_float(to_half(static_cast<float>(sum + static_cast<double>(units) / 65536)));
    }
    total += std::abs(sum) < 0x1p-14 ? 0.0f : static_cast<float>(sum);
  }
  return total;
}

struct Case {
  size_t rows, inner, columns;
  bool transposed;
  double largest;  // of an operand; 2^-16 and the flush matter where products are small
};

void expect_oracle(const Case& c) {
  const auto a = random_halves(c.rows * c.inner, 1 + c.inner, c.largest);
  const auto b = random_halves(c.inner * c.columns, 2 + c.columns, c.largest);
  const size_t a_row = c.transposed ? 1 : c.inner, a_step = c.transposed ? c.rows : 1;
  Guarded out(c.rows * c.columns);
  const size_t half = c.rows / 2;  // rows in two calls: each writes its own only
  simd::grid_matmul(a.data(), a_row, a_step, b.data(), out.data(), 0, half, c.inner, c.columns,
                    kInfinity);
  simd::grid_matmul(a.data(), a_row, a_step, b.data(), out.data(), half, c.rows, c.inner, c.columns,
                    kInfinity);
  EXPECT_TRUE(out.intact());
  std::vector<float> row(c.inner), column(c.inner);
  for (size_t m = 0; m < c.rows; ++m) {
    for (size_t n = 0; n < c.columns; ++n) {
      for (size_t k = 0; k < c.inner; ++k) {
        row[k] = a[m * a_row + k * a_step];
        column[k] = b[k * c.columns + n];
      }
      ASSERT_EQ(out[m * c.columns + n], oracle(row, column)) << m << ", " << n;
    }
  }
}

TEST(GridMatmul, EqualsTheRuleInWholeNumbers) {
  on_every_target([] {
    for (const double largest : {0.01, 0.05, 1.0, 7.0}) {
      for (const bool transposed : {false, true}) {
        expect_oracle({5, 32, 33, transposed, largest});
        expect_oracle({2, 7, 16, transposed, largest});
        expect_oracle({3, 1, 5, transposed, largest});
        expect_oracle({1, 257, 1, transposed, largest});
        expect_oracle({4, 6, 100, transposed, largest});
      }
    }
  });
}

float dot(const std::vector<float>& a, const std::vector<float>& b, float ceiling = kInfinity) {
  float out = NAN;
  simd::grid_matmul(a.data(), a.size(), 1, b.data(), &out, 0, 1, a.size(), 1, ceiling);
  return out;
}

float sum(const std::vector<float>& a, float ceiling = kInfinity) {
  return dot(a, std::vector<float>(a.size(), 1.0f), ceiling);
}

TEST(GridMatmul, WorksAsByHand) {
  EXPECT_EQ(dot({}, {}), 0);
  EXPECT_EQ(dot({0.25f}, {0x1p-13f}), 0);  // 2^-15: on the grid, and flushed
  EXPECT_EQ(dot({0.5f}, {0x1p-13f}), 0x1p-14f);
  EXPECT_EQ(dot({1, 1}, {1, 0x1p-18f}), 1);                    // below the grid
  EXPECT_EQ(dot({1, 1}, {0x1p-14f, 0x1.8p-16f}), 0x1.8p-14f);  // 1.5 units: 2
  EXPECT_EQ(dot({1, 1}, {0x1p-14f, 0x1p-17f}), 0x1p-14f);      // half a unit: 0
  // 2049 is no fp16 number, 2050 is; the fifth product is added in fp32.
  EXPECT_EQ(sum({2048, 1, 1, 0}), 2048);
  EXPECT_EQ(sum({1, 1, 2048, 0}), 2050);
  EXPECT_EQ(sum({2048, 0, 0, 0, 1}), 2049);
}

// Published (ane-guide, measured on M1).
TEST(GridMatmul, LosesOnesBesideLargeNumbersAsTheHardwareDoes) {
  std::vector<float> one_large(1025, 1.0f);
  one_large[0] = 4096;
  EXPECT_EQ(finished({sum(one_large)}, {})[0], 5116);
  for (const auto& [large, ones] : {std::pair(256, 16), {1000, 16}, {4096, 4}, {16384, 4}}) {
    std::vector<float> cancelling;
    for (int i = 0; i < 16; ++i) {
      const auto value = static_cast<float>(large);
      cancelling.insert(cancelling.end(), {value, -value, 1});
    }
    EXPECT_EQ(sum(cancelling), ones) << large;
  }
}

TEST(GridMatmul, ReachesItsCeilingOnTheWayToo) {
  EXPECT_EQ(sum({32752}, 32768), 32752);
  EXPECT_EQ(sum({32767, 0, 0, 0, 1}, 32768), kInfinity);
  EXPECT_EQ(sum({-32768}, 32768), -kInfinity);
  EXPECT_EQ(sum({20000, 0, 0, 0, 20000, 0, 0, 0, -20000}, 32768), kInfinity);
  EXPECT_EQ(sum({20000, 0, 0, 0, 20000, 0, 0, 0, -20000}), 20000);
}

// Published: |A B - exact| / |exact| of square products, elements N(0, 1) / sqrt(N), the same to 13
// digits on M1 to M6 (ANEForge); fp32 sums would give .00036.
double relative_error(size_t size) {
  constexpr size_t kRows = 16;
  const double root = std::sqrt(static_cast<double>(size));
  Random random(7);
  const auto normal = [&](size_t n) {
    std::vector<float> values(n);
    for (float& value : values) {
      value = to_float(to_half(static_cast<float>(random.normal() / root)));
    }
    return values;
  };
  const auto a = normal(kRows * size), b = normal(size * size);
  std::vector<float> out(kRows * size);
  simd::grid_matmul(a.data(), size, 1, b.data(), out.data(), 0, kRows, size, size, kInfinity);
  simd::finish(out.data(), out.size(), {});
  double error = 0, norm = 0;
  for (size_t m = 0; m < kRows; ++m) {
    std::vector<double> exact(size, 0.0);
    for (size_t k = 0; k < size; ++k) {
      for (size_t n = 0; n < size; ++n) {
        exact[n] += static_cast<double>(a[m * size + k]) * b[k * size + n];
      }
    }
    for (size_t n = 0; n < size; ++n) {
      error += std::pow(out[m * size + n] - exact[n], 2);
      norm += exact[n] * exact[n];
    }
  }
  return std::sqrt(error / norm);
}

TEST(GridMatmul, IsAsFarFromExactAsPublished) {
  for (const auto& [size, published] : {std::pair(512, 0.002578), {1024, 0.005528}}) {
    EXPECT_NEAR(relative_error(static_cast<size_t>(size)), published, 0.12 * published);
  }
}

// The oracle is base/half.h, one number at a time by its bits.
TEST(HalfNumerics, ConversionsAreThoseOfSingleNumbers) {
  std::vector<Half> halves(65536 + 3);  // every one, and a tail
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = {static_cast<uint16_t>(i)};
  std::vector<float> wide(halves.size()), numbers;
  for (uint32_t bits = 0; bits < 0xFF000000u; bits += 65521) {
    numbers.push_back(std::bit_cast<float>(bits));
  }
  for (const float tie : {0x1.002p0f, 0x1.006p0f, 0x1.ffep15f, 0x1p-25f, 0x1.8p-24f}) {
    numbers.push_back(tie);
  }
  std::vector<Half> narrow(numbers.size());
  on_every_target([&] {
    simd::from_half(halves.data(), wide.data(), halves.size());
    simd::to_half(numbers.data(), narrow.data(), numbers.size());
    for (size_t i = 0; i < halves.size(); ++i) {
      const float want = to_float(halves[i]);
      ASSERT_TRUE(wide[i] == want || (std::isnan(wide[i]) && std::isnan(want))) << i;
    }
    for (size_t i = 0; i < numbers.size(); ++i) {
      const float got = to_float(narrow[i]), want = to_float(to_half(numbers[i]));
      ASSERT_TRUE(got == want || (std::isnan(got) && std::isnan(want))) << numbers[i];
    }
  });
}

}  // namespace
}  // namespace anemone
