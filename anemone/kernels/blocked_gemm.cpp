#include "anemone/kernels/blocked_gemm.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "anemone/base/error.h"

namespace anemone {
namespace {

// A block of B is what the second-level cache holds beside panels of A that pass; along k, a block
// is short enough for a panel of A to stay in the first level.
constexpr int64_t kMostUnits = 768;
constexpr int64_t kBlockFloats = 768 * 1024 / sizeof(float);

// Panels of transposed A that are packed together, and how far along k at a time (even).
constexpr int64_t kGroup = 4, kPackedDepth = 32;
constexpr int64_t kLine = 64 / sizeof(float);  // of a cache
// Pieces of the rows for each thread.
constexpr size_t kShares = 4;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// `length` in as few blocks as fit `most`, all about as long, each a multiple of `unit`.
int64_t even_block(int64_t length, int64_t most, int64_t unit) {
  const int64_t blocks = divide_up(length, std::max(most / unit * unit, unit));
  return divide_up(divide_up(length, blocks), unit) * unit;
}

// Memory that a thread keeps for its next product.
float* kept_floats(std::unique_ptr<float[], void (*)(void*)>& memory, size_t& size, size_t floats) {
  if (size < floats) {
    size = (floats + 1023) / 1024 * 1024;
    memory.reset(static_cast<float*>(std::aligned_alloc(64, size * sizeof(float))));
    if (!memory) throw std::bad_alloc();
  }
  return memory.get();
}

template <int kWhich>
float* kept_floats(size_t floats) {
  thread_local std::unique_ptr<float[], void (*)(void*)> memory(nullptr, std::free);
  thread_local size_t size = 0;
  return kept_floats(memory, size, floats);
}

// One block of the product: rows of A by `n` columns of B, over `k` of the sum.
class Block {
 public:
  Block(const Gemm& g, const Tiles& tiles, int64_t column, int64_t n, int64_t depth, int64_t k,
        float* packed_b)
      : g_(g), tiles_(tiles), column_(column), n_(n), depth_(depth), k_(k), packed_b_(packed_b) {}

  // On the calling thread alone where there is no pool.
  void run(ThreadPool* pool) const {
    for_all(pool, panels(), 1, [&](size_t begin, size_t end, int) {
      for (size_t panel = begin; panel < end; ++panel) pack_b(static_cast<int64_t>(panel));
    });
    for_all(pool, divide_up(g_.m, group_rows()), kShares, [&](size_t begin, size_t end, int) {
      float* packed_a = kept_floats<1>(static_cast<size_t>(group_rows() * units()));
      for (size_t group = begin; group < end; ++group) {
        multiply(static_cast<int64_t>(group) * group_rows(), packed_a);
      }
    });
  }

 private:
  template <typename Body>
  static void for_all(ThreadPool* pool, int64_t count, size_t shares, const Body& body) {
    if (!pool) return body(0, static_cast<size_t>(count), 0);
    pool->parallel_for(static_cast<size_t>(count), 1, body, shares);
  }

  int64_t panels() const { return divide_up(n_, tiles_.columns); }
  int64_t units() const { return divide_up(k_, tiles_.depth); }
  float* panel_b(int64_t panel) const { return packed_b_ + panel * units() * tiles_.columns; }

  void pack_b(int64_t panel) const {
    const int64_t first = column_ + panel * tiles_.columns;
    const int64_t count = std::min(tiles_.columns, column_ + n_ - first);
    const float* b =
        g_.transpose_b ? g_.b + first * g_.b_stride + depth_ : g_.b + depth_ * g_.b_stride + first;
    tiles_.pack_b(b, g_.b_stride, g_.transpose_b, k_, count, panel_b(panel));
  }

  const float* a_at(int64_t row) const {
    return g_.transpose_a ? g_.a + depth_ * g_.a_stride + row : g_.a + row * g_.a_stride + depth_;
  }

  // Weights come from memory: those of the next rows are asked for while these are multiplied, a
  // share with each panel of B.
  void prefetch(int64_t row, int64_t share, int64_t shares) const {
    if (row >= g_.m) return;
    const float* a = a_at(row);
    if (g_.transpose_a) {
      const int64_t rows = std::min(group_rows(), g_.m - row);
      for (int64_t k = share * k_ / shares; k < (share + 1) * k_ / shares; ++k) {
        for (int64_t i = 0; i < rows; i += kLine) __builtin_prefetch(a + k * g_.a_stride + i);
      }
      return;
    }
    const int64_t rows = std::min(kPanelRows, g_.m - row), lines = divide_up(k_, kLine);
    for (int64_t i = share * rows / shares; i < (share + 1) * rows / shares; ++i) {
      for (int64_t line = 0; line < lines; ++line) {
        __builtin_prefetch(a + i * g_.a_stride + line * kLine);
      }
    }
  }

  // The next few along k of transposed A.
  void prefetch_depth(const float* a, int64_t rows, int64_t k) const {
    for (int64_t end = std::min(k + kPackedDepth, k_); k < end; ++k) {
      for (int64_t i = 0; i < rows; i += kLine) __builtin_prefetch(a + k * g_.a_stride + i);
    }
  }

  // Rows of A that are packed together.
  int64_t group_rows() const { return g_.transpose_a ? kGroup * kPanelRows : kPanelRows; }

  // Rows [row, row + rows) of A as panels. Transposed ones lie a page apart or more along k, so
  // that a few of those are packed for all panels before the next.
  void pack_a(int64_t row, int64_t rows, float* packed) const {
    const float* a = a_at(row);
    if (!g_.transpose_a) return tiles_.pack_a(a, g_.a_stride, false, rows, k_, packed);
    for (int64_t k = 0; k < k_; k += kPackedDepth) {
      const int64_t depth = std::min(kPackedDepth, k_ - k);
      prefetch_depth(a, rows, k + depth);
      for (int64_t i = 0; i < rows; i += kPanelRows) {
        tiles_.pack_a(a + k * g_.a_stride + i, g_.a_stride, true, std::min(kPanelRows, rows - i),
                      depth, packed + i * units() + k / tiles_.depth * kPanelRows);
      }
    }
  }

  void multiply(int64_t row, float* packed_a) const {
    const int64_t rows = std::min(group_rows(), g_.m - row);
    const bool packs = tiles_.packs_rows || g_.transpose_a;
    if (packs) pack_a(row, rows, packed_a);
    const int64_t stride = !packs ? g_.a_stride : g_.transpose_a ? kPanelRows : units();
    const bool add = depth_ > 0 || g_.beta != 0;
    const int64_t shares = divide_up(rows, kPanelRows) * panels();
    int64_t share = 0;
    for (int64_t i = 0; i < rows; i += kPanelRows) {
      const float* a = packs ? packed_a + i * units() : a_at(row + i);
      for (int64_t panel = 0; panel < panels(); ++panel) {
        prefetch(row + group_rows(), share++, shares);
        const int64_t first = panel * tiles_.columns;
        tiles_.multiply(a, stride, g_.transpose_a, panel_b(panel), units(),
                        std::min(kPanelRows, rows - i), std::min(tiles_.columns, n_ - first),
                        g_.c + (row + i) * g_.c_stride + column_ + first, g_.c_stride, add);
      }
    }
  }

  const Gemm& g_;
  const Tiles& tiles_;
  int64_t column_, n_, depth_, k_;
  float* packed_b_;
};

void multiply_blocks(ThreadPool* pool, const Gemm& g, const Tiles& tiles) {
  ANEMONE_CHECK(g.beta == 0 || g.beta == 1);
  ANEMONE_CHECK(g.k > 0);
  const int64_t depth = even_block(g.k, kMostUnits * tiles.depth, 2);
  const int64_t units = divide_up(depth, tiles.depth);
  const int64_t width = even_block(g.n, kBlockFloats / units, tiles.columns);
  float* packed = kept_floats<0>(static_cast<size_t>(units * width));
  for (int64_t column = 0; column < g.n; column += width) {
    for (int64_t k = 0; k < g.k; k += depth) {
      Block(g, tiles, column, std::min(width, g.n - column), k, std::min(depth, g.k - k), packed)
          .run(pool);
    }
  }
}

}  // namespace

void blocked_gemm(ThreadPool& pool, const Gemm& g, const Tiles& tiles) {
  multiply_blocks(&pool, g, tiles);
}

void blocked_gemm(const Gemm& g, const Tiles& tiles) { multiply_blocks(nullptr, g, tiles); }

bool is_worth_blocking(const Gemm& g) {
  constexpr int64_t kLeastRows = 32, kLeastColumns = 32, kLeastDepth = 32;
  return g.m >= kLeastRows && g.n >= kLeastColumns && g.k >= kLeastDepth &&
         (g.beta == 0 || g.beta == 1);
}

}  // namespace anemone
