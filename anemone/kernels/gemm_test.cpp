#include "anemone/kernels/gemm.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <functional>

#include "anemone/kernels/guarded.h"

namespace anemone {
namespace {

using namespace kernel_testing;  // NOLINT: helpers of this folder

struct Sizes {
  int64_t m, n, k;
};

// The last one: enough tokens and weights for the product of our own.
const Sizes kShapes[] = {{1, 1, 1},      {1, 17, 33},  {17, 1, 33},    {33, 17, 1},
                         {2, 7, 15},     {48, 64, 8},  {49, 65, 63},   {100, 257, 7},
                         {257, 33, 100}, {5, 300, 40}, {1019, 34, 36}, {520, 70, 130}};

// A stored matrix with rows longer than its columns, the last one cut off.
struct Stored {
  int64_t stride;
  std::vector<float> data;

  Stored(bool transposed, int64_t rows, int64_t columns, uint64_t seed)
      : stride((transposed ? rows : columns) + 5),
        data(random_floats(static_cast<size_t>(((transposed ? columns : rows) - 1) * stride +
                                               (transposed ? rows : columns)),
                           seed)) {}
  double at(bool transposed, int64_t row, int64_t column) const {
    return data[static_cast<size_t>(transposed ? column * stride + row : row * stride + column)];
  }
};

// One product with everything around it.
struct Case {
  Sizes size;
  bool transpose_a, transpose_b;
  bool adds;
  Stored a{transpose_a, size.m, size.k, 1}, b{transpose_b, size.k, size.n, 2};
  int64_t c_stride = size.n + 3;

  size_t c_floats() const { return static_cast<size_t>((size.m - 1) * c_stride + size.n); }
  // Where nothing is added what is there before must not matter.
  Guarded start() const {
    return adds ? Guarded(random_floats(c_floats(), 3)) : Guarded(c_floats());
  }
  Gemm gemm(float* c) const {
    return {transpose_a, transpose_b,        size.m,   size.n,
            size.k,      a.data.data(),      a.stride, b.data.data(),
            b.stride,    adds ? c : nullptr, c,        c_stride};
  }
  double expected(const std::vector<float>& before, int64_t i, int64_t j) const {
    double sum = adds ? before[static_cast<size_t>(i * c_stride + j)] : 0;
    for (int64_t k = 0; k < size.k; ++k) sum += a.at(transpose_a, i, k) * b.at(transpose_b, k, j);
    return sum;
  }
};

template <typename Visit>
void for_each_case(Visit&& visit) {
  for (const Sizes& size : kShapes) {
    for (int mode = 0; mode < 8; ++mode) {
      const Case c{size, (mode & 1) != 0, (mode & 2) != 0, (mode & 4) != 0};
      SCOPED_TRACE(std::to_string(size.m) + "x" + std::to_string(size.n) + "x" +
                   std::to_string(size.k) + (c.transpose_a ? " aT" : "") +
                   (c.transpose_b ? " bT" : "") + " adds " + std::to_string(c.adds));
      visit(c);
    }
  }
}

// What lies between the rows of C keeps its bits.
bool gaps_untouched(const Case& c, const std::vector<float>& before,
                    const std::vector<float>& after) {
  for (size_t i = 0; i < before.size(); ++i) {
    const bool inside = static_cast<int64_t>(i) % c.c_stride < c.size.n;
    const bool same = before[i] == after[i] || (std::isnan(before[i]) && std::isnan(after[i]));
    if (!inside && !same) return false;
  }
  return true;
}

void expect_fp64_loops(const Case& c, const std::function<void(const Gemm&)>& multiply) {
  Guarded out = c.start();
  const std::vector<float> before = out.values();
  multiply(c.gemm(out.data()));
  for (int64_t i = 0; i < c.size.m; ++i) {
    for (int64_t j = 0; j < c.size.n; ++j) {
      expect_close(out[static_cast<size_t>(i * c.c_stride + j)], c.expected(before, i, j), kSummed,
                   static_cast<double>(c.size.k));
    }
  }
  EXPECT_TRUE(out.intact());
  EXPECT_TRUE(gaps_untouched(c, before, out.values()));
}

// Alone through the library, on a pool through our own product where that is faster.
TEST(Gemm, EqualsFp64LoopsForEveryTranspositionWithAndWithoutASum) {
  ThreadPool pool(2);
  for_each_case([&](const Case& c) {
    expect_fp64_loops(c, [](const Gemm& g) { gemm(g); });
    expect_fp64_loops(c, [&](const Gemm& g) { gemm(pool, g); });
  });
}

TEST(Gemm, TheNumberOfThreadsDoesNotChangeABit) {
  ThreadPool two(2), three(3), one(1);
  for_each_case([&](const Case& c) {
    Guarded alone = c.start();
    gemm(one, c.gemm(alone.data()));
    for (ThreadPool* pool : {&two, &three}) {
      Guarded out = c.start();
      gemm(*pool, c.gemm(out.data()));
      for (int64_t i = 0; i < c.size.m; ++i) {
        for (int64_t j = 0; j < c.size.n; ++j) {
          const auto at = static_cast<size_t>(i * c.c_stride + j);
          ASSERT_EQ(out[at], alone[at]) << i << ", " << j << " with " << pool->threads();
        }
      }
      EXPECT_TRUE(out.intact());
    }
  });
}

TEST(Gemm, AVectorOfContiguousOrSpacedElements) {
  for (int64_t spacing : {1, 4}) {
    const auto a = random_floats(33 * 17, 4);
    const auto b = random_floats(static_cast<size_t>(16 * spacing + 1), 5);
    Guarded c(33);
    gemm({.m = 33,
          .n = 1,
          .k = 17,
          .a = a.data(),
          .a_stride = 17,
          .b = b.data(),
          .b_stride = spacing,
          .c = c.data(),
          .c_stride = 1});
    for (size_t i = 0; i < 33; ++i) {
      double sum = 0;
      for (size_t k = 0; k < 17; ++k) {
        sum += static_cast<double>(a[i * 17 + k]) * b[k * static_cast<size_t>(spacing)];
      }
      expect_close(c[i], sum, kSummed, 17);
    }
    EXPECT_TRUE(c.intact());
  }
}

// Through the library, our own product and the product of a matrix and a vector.
TEST(Gemm, AddsToASumThatIsNotC) {
  ThreadPool pool(2);
  for (const bool bf16 : {false, true}) {
    for (const Sizes& size : {Sizes{100, 257, 40}, Sizes{100, 1, 40}, Sizes{8200, 33, 40}}) {
      const Case c{size, false, false, false};
      const auto sum = random_floats(c.c_floats(), 7);
      std::vector<float> alone(c.c_floats()), together(c.c_floats());
      Gemm g = c.gemm(alone.data());
      g.bf16 = bf16;
      gemm(pool, g);
      g.c = together.data();
      g.sum = sum.data();
      gemm(pool, g);
      for (int64_t i = 0; i < size.m; ++i) {
        for (int64_t j = 0; j < size.n; ++j) {
          const auto at = static_cast<size_t>(i * c.c_stride + j);
          ASSERT_NEAR(together[at], static_cast<double>(sum[at]) + alone[at], 1e-5);
        }
      }
    }
  }
}

// Through the library, our own product with few columns and with many, and that of a few vectors;
// whoever calls it, each row once, and after all of them are there.
TEST(Gemm, TellsOfRowsThatAreDoneWhateverMultiplies) {
  struct Told {
    const Gemm& g;
    std::vector<std::atomic<int>> times;
    std::atomic<bool> complete{true};
  };
  ThreadPool pool(2);
  for (const bool bf16 : {false, true}) {
    for (const Sizes& size : {Sizes{100, 257, 40}, Sizes{100, 1, 40}, Sizes{33, 3, 40},
                              Sizes{8200, 33, 40}, Sizes{70, 800, 512}}) {
      for (const bool alone : {false, true}) {
        const Case c{size, false, false, false};
        Guarded out(c.c_floats(), NAN);
        Gemm g = c.gemm(out.data());
        g.bf16 = bf16;
        Told told{g, std::vector<std::atomic<int>>(static_cast<size_t>(size.m))};
        g.then = {[](void* context, int64_t first, int64_t last) {
                    auto& told = *static_cast<Told*>(context);
                    for (int64_t row = first; row < last; ++row) {
                      ++told.times[static_cast<size_t>(row)];
                      const float* numbers = told.g.c + row * told.g.c_stride;
                      if (std::isnan(numbers[0]) || std::isnan(numbers[told.g.n - 1])) {
                        told.complete = false;
                      }
                    }
                  },
                  &told};
        alone ? gemm(g) : gemm(pool, g);
        EXPECT_TRUE(told.complete) << size.m << " x " << size.n;
        for (const auto& times : told.times) ASSERT_EQ(times, 1) << size.m << " x " << size.n;
      }
    }
  }
}

TEST(Gemm, NothingToComputeTouchesNothing) {
  ThreadPool pool(2);
  Guarded c(4, 7.0f);
  const std::vector<float> a(4, 1.0f);
  for (const Sizes size : {Sizes{0, 2, 2}, Sizes{2, 0, 2}}) {
    gemm(pool, {.m = size.m,
                .n = size.n,
                .k = 2,
                .a = a.data(),
                .a_stride = 2,
                .b = a.data(),
                .b_stride = 2,
                .c = c.data(),
                .c_stride = 2});
  }
  EXPECT_EQ(c.values(), std::vector<float>(4, 7.0f));
  EXPECT_TRUE(c.intact());
}

}  // namespace
}  // namespace anemone
