#include "anemone/kernels/blocked_gemm.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>

#include "anemone/base/error.h"

namespace anemone {
namespace {

// A block of B is what the second-level cache holds beside panels of A that pass; along k, a block
// is short enough for a panel of A to stay in the first level.
constexpr int64_t kMostUnits = 768;
constexpr int64_t kBlockFloats = 768 * 1024 / sizeof(float);

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
    for_all(pool, panels(), [&](size_t begin, size_t end, int) {
      for (size_t panel = begin; panel < end; ++panel) pack_b(static_cast<int64_t>(panel));
    });
    std::atomic<int64_t> next{0};
    for_all(pool, pool ? pool->threads() : 1, [&](size_t, size_t, int) { multiply(next); });
  }

 private:
  template <typename Body>
  static void for_all(ThreadPool* pool, int64_t count, const Body& body) {
    if (!pool) return body(0, static_cast<size_t>(count), 0);
    pool->parallel_for(static_cast<size_t>(count), 1, body);
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

  bool packs_a() const { return tiles_.packs_rows || g_.transpose_a; }

  // Panels of A one by one as threads come for them, so that one that somebody else holds up does
  // not hold up the others. Each is packed while the one before is multiplied.
  void multiply(std::atomic<int64_t>& next) const {
    const int64_t size = packs_a() ? kPanelRows * units() : 0, count = divide_up(g_.m, kPanelRows);
    float *packed = kept_floats<1>(static_cast<size_t>(2 * size)), *packed_next = packed + size;
    int64_t panel = next++;
    if (panel >= count) return;
    PackingAhead ahead = pack_a(panel, packed);
    while (panel < count) {
      if (ahead.left > 0) tiles_.finish(ahead);
      const int64_t following = next++;
      if (following < count) ahead = pack_a(following, packed_next);
      multiply_panel(panel, packed, ahead);
      std::swap(packed, packed_next);
      panel = following;
    }
  }

  // Begins to pack a panel of A, or does it at once.
  PackingAhead pack_a(int64_t panel, float* packed) const {
    if (!packs_a()) return {};
    const int64_t row = panel * kPanelRows, rows = std::min(kPanelRows, g_.m - row);
    PackingAhead ahead;
    if (tiles_.pack_ahead) {
      ahead = tiles_.pack_ahead(a_at(row), g_.a_stride, g_.transpose_a, rows, k_, packed, panels());
    }
    if (ahead.left == 0) tiles_.pack_a(a_at(row), g_.a_stride, g_.transpose_a, rows, k_, packed);
    return ahead;
  }

  void multiply_panel(int64_t panel_a, const float* packed_a, PackingAhead& ahead) const {
    const int64_t row = panel_a * kPanelRows, rows = std::min(kPanelRows, g_.m - row);
    const float* a = packs_a() ? packed_a : a_at(row);
    const int64_t stride = packs_a() ? units() : g_.a_stride;
    const bool add = depth_ > 0 || g_.beta != 0;
    for (int64_t panel = 0; panel < panels(); ++panel) {
      const int64_t first = panel * tiles_.columns;
      tiles_.multiply(a, stride, g_.transpose_a, panel_b(panel), units(), rows,
                      std::min(tiles_.columns, n_ - first),
                      g_.c + row * g_.c_stride + column_ + first, g_.c_stride, add, ahead);
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
