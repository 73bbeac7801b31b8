#include "anemone/kernels/blocked_gemm.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "anemone/base/error.h"
#include "anemone/kernels/cache_distance.h"
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
// is fetched once. A is then packed once for more columns.
constexpr Blocking kFar = {1024, 4 * 1024 * 1024 / sizeof(float), 4};
// Packed blocks of B: one for every other thread where threads do not share it.
constexpr int64_t kCopies = 2;
// A group is at most this part of a thread's share of what is left, so that all end at about the
// same time.
constexpr int64_t kParts = 2;
// Of a block of B.
constexpr int64_t kMostPanels = 1024;
// Which copies are packed: a thread that finds no rows left packs nothing.
using PackedCopies = std::array<bool, kCopies>;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// `length` in as few blocks as fit `most`, all about as long, each a multiple of `unit`.
int64_t even_block(int64_t length, int64_t most, int64_t unit) {
  const int64_t blocks = divide_up(length, std::max(most / unit * unit, unit));
  return divide_up(divide_up(length, blocks), unit) * unit;
}

int64_t block_depth(const Gemm& g, const Tiles& tiles, const Blocking& blocking) {
  return even_block(g.k, blocking.units * tiles.depth, g.a.is_int4() ? kInt4Group : 2);
}

const Blocking& blocking_for(const Gemm& g, const Tiles& tiles) {
  const int64_t units = divide_up(block_depth(g, tiles, kNear), tiles.depth);
  return 2 * units * g.n <= 3 * kNear.floats ? kNear : kFar;
}

// The panels of a packed block of B. Threads pack them one by one, each while it multiplies the one
// that it packed before.
class PanelsOfB {
 public:
  // `size`: floats of one.
  PanelsOfB(int64_t count, float* packed, int64_t size)
      : count_(count), packed_(packed), size_(size) {}

  // Where all have been packed before.
  void count_as_packed() {
    next_ = count_;
    ready_ = count_;
    packed_by_.fill(-1);
  }

  int64_t count() const { return count_; }
  float* at(int64_t panel) const { return packed_ + panel * size_; }

  // The next one that nobody packs yet, for `thread` to pack; -1 where there is none.
  int64_t take(int thread) {
    const int64_t panel = next_.fetch_add(1);
    if (panel >= count_) return -1;
    packed_by_[static_cast<size_t>(panel)] = thread;
    return panel;
  }
  void tell_packed() { ready_.fetch_add(1); }

  // Until all are packed, which takes the others no longer than one of them.
  void wait() const {
    constexpr int kLooks = 4000;
    for (int look = 0; ready_.load() < count_; ++look) {
      if (look > kLooks) std::this_thread::yield();
    }
  }
  bool all_packed() const { return ready_.load() == count_; }
  // Once all are.
  int packed_by(int64_t panel) const { return packed_by_[static_cast<size_t>(panel)]; }

 private:
  int64_t count_;
  float* packed_;
  int64_t size_;
  std::atomic<int64_t> next_{0}, ready_{0};
  std::array<int, kMostPanels> packed_by_;
};

// One block of the product: rows of A by `n` columns of B, over `k` of the sum.
class Block {
 public:
  // Every `copies`-th thread packs the same B.
  Block(const Gemm& g, const Tiles& tiles, int64_t column, int64_t n, int64_t depth, int64_t k,
        float* packed_b, int64_t copies)
      : g_(g),
        tiles_(tiles),
        column_(column),
        n_(n),
        depth_(depth),
        k_(k),
        packed_b_(packed_b),
        copies_(copies) {}

  // On the calling thread alone where there is no pool. `group`: panels of A. What threads wrote
  // past the caches is in memory when the pool says that they are done: it counts them in
  // sequentially consistent operations. `packed`: of B, before and afterwards.
  void run(ThreadPool* pool, int64_t group, PackedCopies& packed) const {
    const int64_t threads = pool ? pool->threads() : 1;
    Claims claims(panels_a(), group, kParts * threads);
    const int64_t size = units() * tiles_.columns;
    PanelsOfB b[] = {{panels(), packed_b_, size}, {panels(), packed_b_ + panels() * size, size}};
    for (size_t copy = 0; copy < packed.size(); ++copy) {
      if (packed[copy]) b[copy].count_as_packed();
    }
    const auto work = [&](size_t, size_t, int thread) {
      multiply(claims, b[thread % copies_], thread);
    };
    pool ? pool->parallel_for(static_cast<size_t>(threads), 1, work) : work(0, 1, 0);
    for (size_t copy = 0; copy < packed.size(); ++copy) packed[copy] = b[copy].all_packed();
  }

 private:
  bool is_last_of_sum() const { return depth_ + k_ == g_.k; }
  bool completes_rows() const { return is_last_of_sum() && column_ + n_ == g_.n; }

  int64_t panels() const { return divide_up(n_, tiles_.columns); }
  int64_t units() const { return divide_up(k_, tiles_.depth); }

  int64_t columns_of(int64_t panel) const {
    return std::min(tiles_.columns, n_ - panel * tiles_.columns);
  }

  Numbers b_at(int64_t column) const {
    return g_.transpose_b ? g_.b + column * g_.b_stride + depth_
                          : g_.b + depth_ * g_.b_stride + column;
  }

  Numbers a_at(int64_t row) const {
    return g_.transpose_a ? g_.a + depth_ * g_.a_stride + row : g_.a + row * g_.a_stride + depth_;
  }

  bool packs_a() const { return tiles_.packs_rows || g_.transpose_a || !g_.a.is_fp32(); }

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

  // Panels of A that are packed while the group before them is multiplied.
  struct Following {
    Group group;
    float* packed;
    int64_t calls;  // of the product, for each of them
    int64_t begun = 0;
    PackingAhead ahead = {};
  };

  PackingAhead& steps_of(Following& next) const {
    if (next.ahead.left == 0 && next.begun < next.group.count()) begin(next);
    return next.ahead;
  }

  void begin(Following& next) const {
    next.ahead = begin_packing_a(next.group.begin + next.begun, next.packed + next.begun * size_a(),
                                 next.calls);
    ++next.begun;
  }

  void finish(Following& next) const {
    do {
      if (next.ahead.left > 0) tiles_.finish(next.ahead);
    } while (next.begun < next.group.count() && (begin(next), true));
  }

  // Groups of panels of A one by one as threads come for them, so that one that somebody else holds
  // up does not hold up the others. Every other thread begins at the end: half of the rows are then
  // mostly one thread's, as in other loops over C, and lie in its cache. Each group is packed while
  // the one before is multiplied, and B while the first one is.
  void multiply(Claims& claims, PanelsOfB& b, int thread) const {
    const bool low = thread % 2 == 0;
    const int64_t size = claims.most() * size_a();
    thread_local KeptMemory memory;
    float *packed = memory.floats(static_cast<size_t>(2 * size)), *packed_next = packed + size;
    Group now = claims.claim(low);
    for (int64_t i = 0; i < now.count(); ++i) pack_a(now.begin + i, packed + i * size_a());
    for (bool first = true; now.count() > 0; first = false) {
      const Group after = claims.claim(low);
      const int64_t calls = b.count() * (first ? 1 : now.count());
      Following next{after, packed_next, calls / std::max<int64_t>(after.count(), 1)};
      if (first) pass_own_panels(now, packed, b, thread);
      for (int64_t panel = 0; panel < b.count(); ++panel) {
        if (first && b.packed_by(panel) == thread) continue;
        for (int64_t i = 0; i < now.count(); ++i) {
          multiply_panels(now.begin + i, packed + i * size_a(), b, panel, steps_of(next));
        }
      }
      finish(next);
      if (g_.then && completes_rows()) {
        g_.then(now.begin * kPanelRows, std::min(now.end * kPanelRows, g_.m));
      }
      std::swap(packed, packed_next);
      now = after;
    }
  }

  // Packs panels of B as long as there are any, each while the group passes the one before.
  void pass_own_panels(const Group& group, const float* packed, PanelsOfB& b, int thread) const {
    int64_t panel = b.take(thread);
    if (panel >= 0) pack_b(b, panel);
    while (panel >= 0) {
      const int64_t panel_after = b.take(thread);
      PackingAhead ahead;
      if (panel_after >= 0) ahead = begin_packing_b(b, panel_after, group.count());
      for (int64_t i = 0; i < group.count(); ++i) {
        multiply_panels(group.begin + i, packed + i * size_a(), b, panel, ahead);
      }
      if (ahead.left > 0) tiles_.finish(ahead);
      if (panel_after >= 0) b.tell_packed();
      panel = panel_after;
    }
    b.wait();
  }

  int64_t rows_of(int64_t panel) const { return std::min(kPanelRows, g_.m - panel * kPanelRows); }

  void pack_a(int64_t panel, float* packed) const {
    if (!packs_a()) return;
    tiles_.pack_a(a_at(panel * kPanelRows), g_.a_stride, g_.transpose_a, rows_of(panel), k_,
                  packed);
  }

  // In so many calls of the product, or at once.
  PackingAhead begin_packing_a(int64_t panel, float* packed, int64_t calls) const {
    PackingAhead ahead;
    if (tiles_.pack_a_ahead) {
      ahead = tiles_.pack_a_ahead(a_at(panel * kPanelRows), g_.a_stride, g_.transpose_a,
                                  rows_of(panel), k_, packed, calls);
    }
    if (ahead.left == 0) pack_a(panel, packed);
    return ahead;
  }

  PackingAhead begin_packing_b(const PanelsOfB& b, int64_t panel, int64_t calls) const {
    const Numbers from = b_at(column_ + panel * tiles_.columns);
    const int64_t n = columns_of(panel);
    float* to = b.at(panel);
    PackingAhead ahead;
    if (tiles_.pack_b_ahead) {
      ahead = tiles_.pack_b_ahead(from, g_.b_stride, g_.transpose_b, k_, n, to, calls);
    }
    if (ahead.left == 0) tiles_.pack_b(from, g_.b_stride, g_.transpose_b, k_, n, to);
    return ahead;
  }

  // At once.
  void pack_b(PanelsOfB& b, int64_t panel) const {
    PackingAhead ahead = begin_packing_b(b, panel, 1);
    if (ahead.left > 0) tiles_.finish(ahead);
    b.tell_packed();
  }

  void multiply_panels(int64_t panel_a, const float* packed_a, const PanelsOfB& b, int64_t panel,
                       PackingAhead& ahead) const {
    const int64_t row = panel_a * kPanelRows, column = panel * tiles_.columns;
    const float* a = packs_a() ? packed_a : a_at(row).fp32();
    const int64_t stride = packs_a() ? units() : g_.a_stride;
    const Result all{g_.c, g_.c_stride, depth_ > 0 ? g_.c : g_.sum, g_.streams && is_last_of_sum(),
                     g_.row_scale};
    tiles_.multiply(a, stride, g_.transpose_a, b.at(panel), units(), rows_of(panel_a),
                    std::min(tiles_.columns, n_ - column), all.at(row, column_ + column), ahead);
  }

  const Gemm& g_;
  const Tiles& tiles_;
  int64_t column_, n_, depth_, k_;
  float* packed_b_;
  int64_t copies_;
};

// A whole packed B, and how it is packed.
struct PackedB {
  uint64_t version = 0;
  const Tiles* tiles = nullptr;
  bool transposed = false;
  int64_t n = 0, k = 0, stride = 0, copies = 0;

  bool operator==(const PackedB&) const = default;
};

void multiply_blocks(ThreadPool* pool, const Gemm& g, const Tiles& tiles, int64_t copies) {
  ANEMONE_CHECK(g.k > 0);
  const bool native = &tiles == detail::native_bf16_tiles();
  ANEMONE_CHECK(native || !(g.a.is_int8() || g.a.is_int4() || g.row_scale));
  const Blocking& blocking = blocking_for(g, tiles);
  const int64_t depth = block_depth(g, tiles, blocking);
  const int64_t units = divide_up(depth, tiles.depth);
  const int64_t most = std::min(blocking.floats / units, kMostPanels * tiles.columns);
  const int64_t width = even_block(g.n, most, tiles.columns);
  thread_local KeptMemory memory;
  float* packed = memory.floats(static_cast<size_t>(copies * units * width));
  thread_local PackedB before;
  thread_local PackedCopies are_packed;
  const bool is_whole = width >= g.n && depth >= g.k;
  const PackedB now{
      is_whole ? g.b_version : 0, &tiles, g.transpose_b, g.n, g.k, g.b_stride, copies};
  if (now.version == 0 || now != before) are_packed.fill(false);
  before = now;
  for (int64_t column = 0; column < g.n; column += width) {
    for (int64_t k = 0; k < g.k; k += depth) {
      if (!is_whole) are_packed.fill(false);
      Block(g, tiles, column, std::min(width, g.n - column), k, std::min(depth, g.k - k), packed,
            copies)
          .run(pool, blocking.group, are_packed);
    }
  }
}

}  // namespace

void blocked_gemm(ThreadPool& pool, const Gemm& g, const Tiles& tiles) {
  blocked_gemm(pool, g, tiles, pool.threads() == 1 || threads_share_a_cache(pool));
}

void blocked_gemm(ThreadPool& pool, const Gemm& g, const Tiles& tiles, bool share_b) {
  multiply_blocks(&pool, g, tiles, share_b ? 1 : kCopies);
}

void blocked_gemm(const Gemm& g, const Tiles& tiles) { multiply_blocks(nullptr, g, tiles, 1); }

bool completes_many_rows(const Gemm& g, const Tiles& tiles) {
  return blocking_for(g, tiles).group > 1;
}

bool is_worth_blocking(const Gemm& g) {
  constexpr int64_t kLeastRows = 32, kLeastColumns = 32, kLeastDepth = 32;
  return g.m >= kLeastRows && g.n >= kLeastColumns && g.k >= kLeastDepth;
}

}  // namespace anemone
