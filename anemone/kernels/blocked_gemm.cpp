#include "anemone/kernels/blocked_gemm.h"

#include <algorithm>
#include <atomic>

#include "anemone/base/error.h"
#include "anemone/kernels/kept_memory.h"

namespace anemone {
namespace {

// How B is cut: units along k, few enough for a panel of A to stay in the first-level cache, and
// floats of a block. `group`: panels of A that pass it together.
struct Blocking {
  int64_t units, floats, group;
};
// Near: the second-level cache holds a block.
constexpr Blocking kNear = {768, 768 * 1024 / sizeof(float), 1};
// Far: the third level does, and the second a group of panels of A, for all of which a panel of B
// is fetched once. A is then packed once for more columns. For a B that is hardly larger it
// costs more than it brings in runs where panels that another processor packed come slowly.
constexpr Blocking kFar = {1024, 4 * 1024 * 1024 / sizeof(float), 4};
// A group is at most this part of a thread's share of what is left, so that all end at about the
// same time.
constexpr int64_t kParts = 2;
// Rows of B that are packed together: few enough for all of them to be read ahead by the processor.
constexpr int64_t kRowsOfB = 16;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// `length` in as few blocks as fit `most`, all about as long, each a multiple of `unit`.
int64_t even_block(int64_t length, int64_t most, int64_t unit) {
  const int64_t blocks = divide_up(length, std::max(most / unit * unit, unit));
  return divide_up(divide_up(length, blocks), unit) * unit;
}

int64_t block_depth(const Gemm& g, const Tiles& tiles, const Blocking& blocking) {
  return even_block(g.k, blocking.units * tiles.depth, 2);
}

const Blocking& blocking_for(const Gemm& g, const Tiles& tiles) {
  const int64_t units = divide_up(block_depth(g, tiles, kNear), tiles.depth);
  return 2 * units * g.n <= 3 * kNear.floats ? kNear : kFar;
}

// One block of the product: rows of A by `n` columns of B, over `k` of the sum.
class Block {
 public:
  Block(const Gemm& g, const Tiles& tiles, int64_t column, int64_t n, int64_t depth, int64_t k,
        float* packed_b)
      : g_(g), tiles_(tiles), column_(column), n_(n), depth_(depth), k_(k), packed_b_(packed_b) {}

  // On the calling thread alone where there is no pool. `group`: panels of A.
  void run(ThreadPool* pool, int64_t group) const {
    const int64_t threads = pool ? pool->threads() : 1;
    for_all(pool, pieces_of_b(), [&](size_t begin, size_t end, int) {
      for (size_t piece = begin; piece < end; ++piece) pack_b(static_cast<int64_t>(piece));
    });
    Claims claims(panels_a(), group, kParts * threads);
    for_all(pool, threads, [&](size_t, size_t, int thread) { multiply(claims, thread % 2 == 0); });
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

  // Panels where B is transposed, else some rows of all panels: what follows in memory.
  int64_t pieces_of_b() const { return g_.transpose_b ? panels() : divide_up(k_, kRowsOfB); }

  void pack_b(int64_t piece) const {
    if (g_.transpose_b) return pack_b(piece, 0, k_);
    const int64_t k = piece * kRowsOfB, rows = std::min(kRowsOfB, k_ - k);
    for (int64_t panel = 0; panel < panels(); ++panel) pack_b(panel, k, rows);
  }

  // `rows` rows of a panel, from `k` of this block on.
  void pack_b(int64_t panel, int64_t k, int64_t rows) const {
    const int64_t first = column_ + panel * tiles_.columns, from = depth_ + k;
    const int64_t count = std::min(tiles_.columns, column_ + n_ - first);
    const Numbers b =
        g_.transpose_b ? g_.b + first * g_.b_stride + from : g_.b + from * g_.b_stride + first;
    tiles_.pack_b(b, g_.b_stride, g_.transpose_b, rows, count,
                  panel_b(panel) + k / tiles_.depth * tiles_.columns);
  }

  Numbers a_at(int64_t row) const {
    return g_.transpose_a ? g_.a + depth_ * g_.a_stride + row : g_.a + row * g_.a_stride + depth_;
  }

  bool packs_a() const { return tiles_.packs_rows || g_.transpose_a || g_.a.is_bf16(); }

  int64_t panels_a() const { return divide_up(g_.m, kPanelRows); }
  int64_t size_a() const { return packs_a() ? kPanelRows * units() : 0; }

  struct Group {
    int64_t begin, end;
    int64_t count() const { return end - begin; }
  };

  // The panels that no thread has come for yet: [low, high), in one word.
  class Claims {
   public:
    Claims(int64_t panels, int64_t most, int64_t parts)
        : most_(most), parts_(parts), left_(word({0, panels})) {}

    int64_t most() const { return most_; }

    // From the low end or from the high one.
    Group claim(bool low) {
      uint64_t seen = left_.load();
      Group left, taken;
      do {
        left = {static_cast<int64_t>(seen >> 32), static_cast<int64_t>(seen & 0xFFFFFFFFu)};
        const int64_t count =
            std::min(left.count(), std::clamp<int64_t>(left.count() / parts_, 1, most_));
        taken = low ? Group{left.begin, left.begin + count} : Group{left.end - count, left.end};
        (low ? left.begin : left.end) += low ? count : -count;
      } while (!left_.compare_exchange_weak(seen, word(left)));
      return taken;
    }

   private:
    static uint64_t word(const Group& group) {
      return static_cast<uint64_t>(group.begin) << 32 | static_cast<uint64_t>(group.end);
    }

    int64_t most_, parts_;
    std::atomic<uint64_t> left_;
  };

  // Groups of panels of A one by one as threads come for them, so that one that somebody else holds
  // up does not hold up the others. Every other thread begins at the end: half of the rows are then
  // mostly one thread's, as in other loops over C, and lie in its cache. Each group is packed while
  // the one before is multiplied.
  void multiply(Claims& claims, bool low) const {
    const int64_t size = claims.most() * size_a();
    thread_local KeptMemory memory;
    float *packed = memory.floats(static_cast<size_t>(2 * size)), *packed_next = packed + size;
    Group now = claims.claim(low);
    for (int64_t i = 0; i < now.count(); ++i) pack_a(now.begin + i, packed + i * size_a());
    while (now.count() > 0) {
      const Group following = claims.claim(low);
      multiply_group(now, packed, following, packed_next);
      std::swap(packed, packed_next);
      now = following;
    }
  }

  void multiply_group(const Group& group, const float* packed, const Group& following,
                      float* packed_next) const {
    const int64_t calls = panels() * group.count() / std::max<int64_t>(following.count(), 1);
    PackingAhead ahead;
    int64_t begun = 0;
    const auto begin_next = [&] {
      ahead = begin_packing(following.begin + begun, packed_next + begun * size_a(), calls);
      ++begun;
    };
    for (int64_t panel = 0; panel < panels(); ++panel) {
      for (int64_t i = 0; i < group.count(); ++i) {
        if (ahead.left == 0 && begun < following.count()) begin_next();
        multiply_panels(group.begin + i, packed + i * size_a(), panel, ahead);
      }
    }
    if (ahead.left > 0) tiles_.finish(ahead);
    for (; begun < following.count(); ++begun) {
      pack_a(following.begin + begun, packed_next + begun * size_a());
    }
  }

  int64_t rows_of(int64_t panel) const { return std::min(kPanelRows, g_.m - panel * kPanelRows); }

  void pack_a(int64_t panel, float* packed) const {
    if (!packs_a()) return;
    tiles_.pack_a(a_at(panel * kPanelRows), g_.a_stride, g_.transpose_a, rows_of(panel), k_,
                  packed);
  }

  // In so many calls of the product, or at once.
  PackingAhead begin_packing(int64_t panel, float* packed, int64_t calls) const {
    PackingAhead ahead;
    if (packs_a() && tiles_.pack_ahead) {
      ahead = tiles_.pack_ahead(a_at(panel * kPanelRows), g_.a_stride, g_.transpose_a,
                                rows_of(panel), k_, packed, calls);
    }
    if (ahead.left == 0) pack_a(panel, packed);
    return ahead;
  }

  void multiply_panels(int64_t panel_a, const float* packed_a, int64_t panel,
                       PackingAhead& ahead) const {
    const int64_t row = panel_a * kPanelRows, column = panel * tiles_.columns;
    const float* a = packs_a() ? packed_a : a_at(row).fp32();
    const int64_t stride = packs_a() ? units() : g_.a_stride;
    const float* sum = depth_ > 0 ? g_.c : g_.sum;
    const int64_t at = row * g_.c_stride + column_ + column;
    tiles_.multiply(a, stride, g_.transpose_a, panel_b(panel), units(), rows_of(panel_a),
                    std::min(tiles_.columns, n_ - column), g_.c + at, g_.c_stride,
                    sum ? sum + at : nullptr, ahead);
  }

  const Gemm& g_;
  const Tiles& tiles_;
  int64_t column_, n_, depth_, k_;
  float* packed_b_;
};

void multiply_blocks(ThreadPool* pool, const Gemm& g, const Tiles& tiles) {
  ANEMONE_CHECK(g.k > 0);
  const Blocking& blocking = blocking_for(g, tiles);
  const int64_t depth = block_depth(g, tiles, blocking);
  const int64_t units = divide_up(depth, tiles.depth);
  const int64_t width = even_block(g.n, blocking.floats / units, tiles.columns);
  thread_local KeptMemory memory;
  float* packed = memory.floats(static_cast<size_t>(units * width));
  for (int64_t column = 0; column < g.n; column += width) {
    for (int64_t k = 0; k < g.k; k += depth) {
      Block(g, tiles, column, std::min(width, g.n - column), k, std::min(depth, g.k - k), packed)
          .run(pool, blocking.group);
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
  return g.m >= kLeastRows && g.n >= kLeastColumns && g.k >= kLeastDepth;
}

}  // namespace anemone
