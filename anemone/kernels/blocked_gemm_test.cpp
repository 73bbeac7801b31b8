#include "anemone/kernels/blocked_gemm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "anemone/base/half.h"
#include "anemone/kernels/guarded.h"
#include "anemone/kernels/kept_memory.h"

namespace anemone {
namespace {

using namespace kernel_testing;  // NOLINT: helpers of this folder

double rounded(float x, bool to_bf16) { return to_bf16 ? to_float(to_bfloat16(x)) : x; }

struct Variant {
  const char* name;
  const Tiles& tiles;
  bool to_bf16;
};

std::vector<Variant> variants() {
  std::vector<Variant> all = {{"fp32", fp32_tiles(), false},
                              {"emulated", detail::emulated_bf16_tiles(), true}};
  if (const Tiles* native = detail::native_bf16_tiles()) all.push_back({"native", *native, true});
  return all;
}

std::vector<BFloat16> rounded(const std::vector<float>& x) {
  std::vector<BFloat16> result;
  for (float value : x) result.push_back(to_bfloat16(value));
  return result;
}

enum class From { kFp32, kBf16 };
// What the product is added to.
enum class To { kZeros, kC, kOther };

// Against the same product in fp64, with rows longer than their columns and canaries around C.
void check(const Variant& variant, int64_t m, int64_t n, int64_t k, bool ta, bool tb, To to,
           int threads, From from = From::kFp32) {
  ThreadPool pool(threads);
  const bool narrow = from == From::kBf16;
  // In bf16 pairs of numbers are read where rows are an even number of them apart.
  const int64_t a_stride = (ta ? m : k) + (narrow ? 4 : 3);
  const int64_t b_stride = (tb ? k : n) + (narrow ? 2 : 1);
  const int64_t c_stride = n + 2;
  const auto a =
      random_floats(static_cast<size_t>(((ta ? k : m) - 1) * a_stride + (ta ? m : k)), 1);
  const auto b =
      random_floats(static_cast<size_t>(((tb ? n : k) - 1) * b_stride + (tb ? k : n)), 2);
  const auto before = random_floats(static_cast<size_t>((m - 1) * c_stride + n), 3);
  Guarded c(before);
  const std::vector<BFloat16> narrow_a = rounded(a), narrow_b = rounded(b);
  const Numbers from_a = narrow ? Numbers(narrow_a.data()) : Numbers(a.data());
  const Numbers from_b = narrow ? Numbers(narrow_b.data()) : Numbers(b.data());
  const auto other = random_floats(before.size(), 4);
  const float* sum = to == To::kZeros ? nullptr : to == To::kC ? c.data() : other.data();
  blocked_gemm(pool, {ta, tb, m, n, k, from_a, a_stride, from_b, b_stride, sum, c.data(), c_stride},
               variant.tiles);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const auto at = static_cast<size_t>(i * c_stride + j);
      double sum = to == To::kZeros ? 0 : to == To::kC ? before[at] : other[at];
      double size = std::abs(sum);
      for (int64_t x = 0; x < k; ++x) {
        const double product =
            rounded(a[static_cast<size_t>(ta ? x * a_stride + i : i * a_stride + x)],
                    variant.to_bf16 || narrow) *
            rounded(b[static_cast<size_t>(tb ? j * b_stride + x : x * b_stride + j)],
                    variant.to_bf16 || narrow);
        sum += product;
        size += std::abs(product);
      }
      ASSERT_NEAR(c.data()[at], sum, kSummed * size)
          << variant.name << " " << m << " x " << n << " x " << k << (ta ? " ta" : "")
          << (tb ? " tb" : "") << " at " << i << ", " << j;
    }
    for (int64_t j = n; i + 1 < m && j < c_stride; ++j) {
      const auto at = static_cast<size_t>(i * c_stride + j);
      ASSERT_EQ(c.data()[at], before[at]) << "between rows";
    }
  }
}

TEST(BlockedGemm, EqualsFp64InEveryOrientationAndSize) {
  for (const Variant& variant : variants()) {
    for (const auto& [m, n, k] : {std::tuple{1, 1, 1},
                                  {3, 5, 2},
                                  {16, 32, 64},
                                  {17, 33, 65},
                                  {40, 100, 31},
                                  {100, 70, 129}}) {
      for (const bool ta : {false, true}) {
        for (const bool tb : {false, true}) {
          for (const From from : {From::kFp32, From::kBf16}) {
            check(variant, m, n, k, ta, tb, ta == tb ? To::kC : To::kZeros, 2, from);
          }
        }
      }
    }
  }
}

// Whole panels, of which one is packed while the one before is multiplied: in few steps at a time
// where there are many columns, in many where there are few, and with steps left over.
TEST(BlockedGemm, PanelsThatArePackedAheadAreThoseOfA) {
  for (const Variant& variant : variants()) {
    for (const auto& [m, n, k] :
         {std::tuple{64, 33, 96}, {70, 300, 64}, {64, 32, 32}, {48, 40, 2}}) {
      for (const bool ta : {false, true}) {
        for (const int threads : {1, 2}) {
          for (const From from : {From::kFp32, From::kBf16}) {
            check(variant, m, n, k, ta, false, To::kC, threads, from);
          }
        }
      }
    }
  }
}

// Whole panels in every orientation and type, with rows that make whole steps and rows that do not,
// for several panels of A and for one; the last panel is no whole one and packed at once.
TEST(BlockedGemm, PanelsThatArePackedAheadAreThoseOfB) {
  for (const Variant& variant : variants()) {
    for (const auto& [m, n, k] :
         {std::tuple{70, 128, 64}, {70, 100, 48}, {16, 100, 96}, {100, 96, 34}, {33, 260, 16}}) {
      for (const bool tb : {false, true}) {
        for (const int threads : {1, 2, 3}) {
          for (const From from : {From::kFp32, From::kBf16}) {
            check(variant, m, n, k, false, tb, To::kC, threads, from);
          }
        }
      }
    }
  }
}

// Threads that find no rows left, and more of them than copies of B.
TEST(BlockedGemm, MoreThreadsThanPanelsMakeTheSameProduct) {
  for (const Variant& variant : variants()) {
    for (const int threads : {2, 5, 8}) {
      check(variant, 17, 130, 70, false, false, To::kOther, threads);
      check(variant, 200, 130, 70, true, true, To::kC, threads);
    }
  }
}

TEST(BlockedGemm, SumsOverSeveralBlocksOfDepthAndWidth) {
  for (const Variant& variant : variants()) {
    check(variant, 20, 40, 2500, false, false, To::kZeros, 2);
    check(variant, 20, 40, 2500, false, false, To::kOther, 2);
    check(variant, 20, 1100, 1030, true, true, To::kC, 2);
    check(variant, 20, 1100, 1030, true, true, To::kOther, 2);
  }
}

// More of B than the second-level cache holds: several panels of A pass it together, the last group
// is a smaller one, and the last panel no whole one.
TEST(BlockedGemm, GroupsOfPanelsPassLargeBlocks) {
  for (const Variant& variant : variants()) {
    for (const bool ta : {false, true}) check(variant, 131, 450, 1440, ta, false, To::kC, 1);
  }
}

TEST(BlockedGemm, DependsNeitherOnTheNumberOfThreadsNorOnWhetherTheyShareB) {
  const int64_t m = 70, n = 300, k = 300;
  const auto a = random_floats(static_cast<size_t>(m * k), 1);
  const auto b = random_floats(static_cast<size_t>(k * n), 2);
  for (const Variant& variant : variants()) {
    std::vector<float> first;
    for (const int threads : {1, 2, 3, 5}) {
      ThreadPool pool(threads);
      for (const bool share_b : {true, false}) {
        std::vector<float> c(static_cast<size_t>(m * n));
        blocked_gemm(pool, {false, false, m, n, k, a.data(), k, b.data(), n, nullptr, c.data(), n},
                     variant.tiles, share_b);
        if (first.empty()) first = c;
        EXPECT_EQ(c, first) << variant.name << ", threads: " << threads;
      }
    }
  }
}

// Where C fills whole lines of memory and where it does not, and where a sum has several blocks.
TEST(BlockedGemm, PastTheCachesIsTheSameProduct) {
  const int64_t m = 70, n = 100, stride = 112;
  for (const Variant& variant : variants()) {
    for (const int64_t k : {64, 3100}) {
      const auto a = random_floats(static_cast<size_t>(m * k), 1);
      const auto b = random_floats(static_cast<size_t>(k * n), 2);
      for (const int64_t offset : {0, 1}) {
        std::vector<float> made[2];
        for (const bool streams : {false, true}) {
          ThreadPool pool(2);
          KeptMemory memory;
          float* c = memory.floats(static_cast<size_t>(m * stride + offset)) + offset;
          std::fill_n(c, m * stride, 0.0f);
          blocked_gemm(
              pool, {false, false, m, n, k, a.data(), k, b.data(), n, nullptr, c, stride, streams},
              variant.tiles);
          made[streams].assign(c, c + m * stride);
        }
        EXPECT_EQ(made[0], made[1]) << variant.name << " " << k << " " << offset;
      }
    }
  }
}

// A product of its own memory, [m, k] by [k, n] in fp32.
struct Owned {
  int64_t m, n, k;
  std::vector<float> a = random_floats(static_cast<size_t>(m * k), 1);
  std::vector<float> b = random_floats(static_cast<size_t>(k * n), 2);
  std::vector<float> c = std::vector<float>(static_cast<size_t>(m * n));

  Gemm gemm() {
    return {.m = m,
            .n = n,
            .k = k,
            .a = a.data(),
            .a_stride = k,
            .b = b.data(),
            .b_stride = n,
            .c = c.data(),
            .c_stride = n};
  }
};

// What a product said of its rows: they as they were then, and how often each was told of.
struct Told {
  const Owned& product;
  std::vector<float> rows = std::vector<float>(product.c.size(), NAN);
  std::vector<int> times = std::vector<int>(static_cast<size_t>(product.m));

  RowsDone then() {
    return {[](void* context, int64_t first, int64_t last) {
              auto& [product, rows, times] = *static_cast<Told*>(context);
              const int64_t n = product.n;
              std::copy(product.c.begin() + first * n, product.c.begin() + last * n,
                        rows.begin() + first * n);
              for (int64_t row = first; row < last; ++row) ++times[static_cast<size_t>(row)];
              // EXPECT_EQ is no good on several threads.
              if (first % kPanelRows != 0) times[static_cast<size_t>(first)] = -1;
            },
            this};
  }
};

// With one block of B, several side by side, several on top of each other, and groups of panels.
TEST(BlockedGemm, TellsOfEveryRowOnceWhenItIsComplete) {
  for (const Variant& variant : variants()) {
    for (const auto& [m, n, k] :
         {std::tuple{70, 40, 50}, {40, 1100, 1030}, {20, 40, 2500}, {300, 450, 1440}}) {
      for (const int threads : {1, 3}) {
        ThreadPool pool(threads);
        Owned product{m, n, k};
        Told told{product};
        Gemm g = product.gemm();
        g.then = told.then();
        blocked_gemm(pool, g, variant.tiles);
        EXPECT_EQ(told.rows, product.c) << variant.name << " " << m << " " << n << " " << k;
        EXPECT_EQ(told.times, std::vector<int>(static_cast<size_t>(m), 1));
      }
    }
  }
}

// The memory of B is written in between, which shows where it is read again. Where there are copies
// one thread makes all of its own: of two, one may come too late to pack any.
TEST(BlockedGemm, UsesWhatItHasPackedForAnotherProductOfTheSameB) {
  for (const Variant& variant : variants()) {
    for (const bool share_b : {true, false}) {
      ThreadPool pool(share_b ? 2 : 1);
      Owned x{70, 96, 64}, other{70, 96, 64};
      const auto product = [&](Owned& owned, uint64_t version, bool transposed = false) {
        Gemm g = owned.gemm();
        g.transpose_b = transposed;
        if (transposed) g.b_stride = g.k;
        g.b_version = version;
        blocked_gemm(pool, g, variant.tiles, share_b);
        return owned.c;
      };
      const auto before = product(x, 7);
      std::fill(x.b.begin(), x.b.end(), 0.0f);
      const std::vector<float> zeros(x.c.size());
      EXPECT_EQ(product(x, 7), before) << variant.name;
      EXPECT_EQ(product(x, 7, true), zeros) << "packed in the other orientation";
      EXPECT_EQ(product(x, 8), zeros) << "another version";
      product(other, 8);
      std::fill(other.b.begin(), other.b.end(), 0.0f);
      EXPECT_EQ(product(other, 0), zeros) << "of no version";
      EXPECT_EQ(product(other, 0), zeros) << "of no version, twice";
    }
  }
}

// The first pool's only thread packs one of two copies.
TEST(BlockedGemm, UsesNoCopyThatNobodyPacked) {
  for (const Variant& variant : variants()) {
    Owned x{3000, 96, 64};
    Gemm g = x.gemm();
    g.b_version = 7;
    ThreadPool one(1), two(2);
    blocked_gemm(one, g, variant.tiles, false);
    const auto before = x.c;
    blocked_gemm(two, g, variant.tiles, false);
    EXPECT_EQ(x.c, before) << variant.name;
  }
}

// A block that is no whole B is not used again.
TEST(BlockedGemm, PacksAgainWhatDoesNotFitAtOnce) {
  for (const auto& [n, k] : {std::pair{40, 2500}, {1100, 1030}}) {
    for (const Variant& variant : variants()) {
      ThreadPool pool(2);
      Owned x{20, n, k};
      Gemm g = x.gemm();
      g.b_version = 7;
      blocked_gemm(pool, g, variant.tiles);
      const auto before = x.c;
      blocked_gemm(pool, g, variant.tiles);
      EXPECT_EQ(x.c, before) << variant.name << " " << n << " " << k;
    }
  }
}

// Integers of 8 bits are bf16 numbers. Rows of whole steps are packed ahead, others at once.
TEST(BlockedGemm, RowsOfIntegersHaveAScaleEach) {
  if (!has_bf16_instructions()) GTEST_SKIP() << "no bf16 instructions";
  for (const auto& [m, n, k] :
       {std::tuple{1, 9, 1}, {16, 32, 64}, {17, 40, 33}, {100, 33, 128}, {40, 1000, 4000}}) {
    ThreadPool pool(2);
    const auto b = rounded(random_floats(static_cast<size_t>(k * n), 2));
    const auto scale = random_floats(static_cast<size_t>(m), 3);
    std::vector<int8_t> a(static_cast<size_t>(m * k));
    for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<int8_t>(i * 37 % 256);
    std::vector<float> c(static_cast<size_t>(m * n));
    gemm(pool, {.m = m,
                .n = n,
                .k = k,
                .a = a.data(),
                .a_stride = k,
                .b = b.data(),
                .b_stride = n,
                .c = c.data(),
                .c_stride = n,
                .bf16 = true,
                .row_scale = scale.data()});
    for (int64_t at = 0; at < m * n; at += 7) {
      double sum = 0, size = 0;
      for (int64_t x = 0; x < k; ++x) {
        const double product = a[static_cast<size_t>(at / n * k + x)] *
                               to_float(b[static_cast<size_t>(x * n + at % n)]);
        sum += product;
        size += std::abs(product);
      }
      const double factor = scale[static_cast<size_t>(at / n)];
      ASSERT_NEAR(c[static_cast<size_t>(at)], factor * sum, kSummed * size * std::abs(factor));
    }
  }
}

TEST(BlockedGemm, WhatIsNoNumberStaysNone) {
  for (const Variant& variant : variants()) {
    ThreadPool pool(1);
    const int64_t n = 40;
    std::vector<float> a(n * n, 1), b(n * n, 1), c(n * n);
    a[0] = NAN;
    b[n + 1] = INFINITY;
    blocked_gemm(pool, {false, false, n, n, n, a.data(), n, b.data(), n, nullptr, c.data(), n},
                 variant.tiles);
    EXPECT_TRUE(std::isnan(c[0])) << variant.name;
    EXPECT_TRUE(std::isinf(c[n + 1])) << variant.name;
    EXPECT_EQ(c[n + 2], n) << variant.name;
  }
}

}  // namespace
}  // namespace anemone
