// Causal attention in blocks of queries, heads in parallel.
//
// A head of [1, C, 1, S] is a matrix [K, T] with channels as rows. A block has as many queries as a
// panel of B has columns (kernels/tiles.h), and only the keys up to its end count, so that most of
// the upper triangle is never computed. Scores stand on end, [keys, queries]: a product leaves
// them as the panel that the next one reads, and softmax goes down columns, many at a time. Only a
// block of them exists: memory grows with T, not with T². The backward operation computes the
// probabilities again.
#include <algorithm>
#include <cmath>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/panels.h"
#include "anemone/kernels/simd.h"
#include "anemone/ops/composites.h"

namespace anemone {
namespace {

// Start of head `head` of sequence `b` in memory laid out like q (or k).
int64_t head_offset(const AttentionShape& a, int64_t b, int64_t head) {
  return head * a.head_size * a.width() + b * a.sequence;
}

// Queries [first, first + count) with the keys [0, first + count) that they see.
struct Block {
  int64_t first, count;
  int64_t keys() const { return first + count; }
};

// The next `floats` of a thread's scratch.
class Scratch {
 public:
  explicit Scratch(float* begin) : next_(begin) {}
  float* take(int64_t floats) {
    float* taken = next_;
    next_ += rounded(floats);
    return taken;
  }
  // To cache lines.
  static int64_t rounded(int64_t floats) { return (floats + 15) / 16 * 16; }

 private:
  float* next_;
};

// The products of a head, whose operands are matrices [K, T] in memory like q.
class Head {
 public:
  Head(const AttentionShape& a, const KernelRun& run) : a_(a), tiles_(tiles_for(a, run)) {}

  // A sequence of one token has products of one column, which round nothing.
  static const Tiles& tiles_for(const AttentionShape& a, const KernelRun& run) {
    return run.bf16 && a.sequence > 1 ? bf16_tiles() : fp32_tiles();
  }

  int64_t columns() const { return tiles_.columns; }
  template <typename Visit>
  void for_each_block(Visit&& visit) const {
    for (int64_t first = 0; first < a_.sequence; first += columns()) {
      visit(Block{first, std::min(columns(), a_.sequence - first)});
    }
  }

  // xᵀ [T, K], and x [K, T] itself.
  PackedRows pack_times(Numbers x, float* to) const {
    return pack_rows(tiles_, x, a_.width(), true, a_.sequence, a_.head_size, to);
  }
  PackedRows pack_channels(Numbers x, float* to) const {
    return pack_rows(tiles_, x, a_.width(), false, a_.head_size, a_.sequence, to);
  }
  // x [K, count] of a block, a panel.
  void pack_block(Numbers x, Block block, float* to) const {
    tiles_.pack_b(x + block.first, a_.width(), false, a_.head_size, block.count, to);
  }
  // xᵀ [count, K] of a block, some panels.
  void pack_block_transposed(Numbers x, Block block, float* to) const {
    for (int64_t c = 0; c < a_.head_size; c += columns()) {
      tiles_.pack_b(x + block.first + c * a_.width(), a_.width(), true, block.count,
                    std::min(columns(), a_.head_size - c), to);
      to += units(block.count) * columns();
    }
  }

  // scores [keys, columns] = xᵀ · y of packed x and a packed block of y.
  void score(const PackedRows& x, const float* y, Block block, float* scores) const {
    multiply_panel(tiles_, x, block.keys(), y, units(a_.head_size), columns(), scores, columns(),
                   false);
  }

  // p [keys, columns]: each query's probabilities, of the keys that it sees.
  void probabilities(const PackedRows& k, const float* q, Block block, float* p) const {
    score(k, q, block, p);
    for (int64_t key = block.first + 1; key < block.keys(); ++key) {
      std::fill_n(p + key * columns(), key - block.first, -INFINITY);
    }
    if (a_.window > 0) hide_before_window(block, p);
    simd::softmax_down(p, static_cast<size_t>(block.keys()), static_cast<size_t>(columns()),
                       static_cast<float>(a_.scale));
  }

  // to [K, count] = x [K, keys] · weights [keys, count] of packed x; `packed` takes a panel.
  void weigh(const PackedRows& x, const float* weights, Block block, float* packed, float* to,
             int64_t to_stride) const {
    if (tiles_.packs_rows) {
      tiles_.pack_b(weights, columns(), false, block.keys(), columns(), packed);
      weights = packed;
    }
    multiply_panel(tiles_, x, a_.head_size, weights, units(block.keys()), block.count, to,
                   to_stride, false);
  }

  // target [T, K] += weights [keys, count] · xᵀ of a packed block of xᵀ; `packed` takes the
  // weights.
  void add_weighted(const float* weights, const float* x, Block block, float* packed,
                    float* target) const {
    PackedRows rows{weights, columns(), false};
    if (tiles_.packs_rows) {
      rows = pack_rows(tiles_, weights, columns(), false, block.keys(), block.count, packed);
    }
    for (int64_t c = 0; c < a_.head_size; c += columns()) {
      multiply_panel(tiles_, rows, block.keys(), x, units(block.count),
                     std::min(columns(), a_.head_size - c), target + c, a_.head_size, true);
      x += units(block.count) * columns();
    }
  }

 private:
  int64_t units(int64_t k) const { return units_of(tiles_, k); }

  // A key is out of the window of the queries that stand at least a window behind it.
  void hide_before_window(Block block, float* scores) const {
    const int64_t last = block.keys() - a_.window;
    for (int64_t key = 0; key < last; ++key) {
      const int64_t begin = std::max<int64_t>(key + a_.window - block.first, 0);
      std::fill_n(scores + key * columns() + begin, block.count - begin, -INFINITY);
    }
  }

  const AttentionShape& a_;
  const Tiles& tiles_;
};

// Sizes in floats, enough for tiles of either type.
struct Sizes {
  int64_t columns, times, block, scores;

  explicit Sizes(const AttentionShape& a)
      : columns(std::max(fp32_tiles().columns, bf16_tiles().columns)),
        // In whole panels of rows.
        times(Scratch::rounded((a.sequence + kPanelRows) * (a.head_size + kPanelRows))),
        // A block of [K, T], or of its transposed in panels.
        block(Scratch::rounded((a.head_size + columns) * (columns + 1))),
        scores(Scratch::rounded((a.sequence + 1) * columns)) {}
};

// --- forward ---

int64_t forward_floats(const AttentionShape& a) {
  const Sizes size(a);
  return 2 * size.times + 2 * size.block + 2 * size.scores;
}

void forward_head(const AttentionShape& a, const KernelRun& run, int64_t own, int64_t shared,
                  float* memory) {
  const Head head(a, run);
  const Sizes size(a);
  Scratch scratch(memory);
  const PackedRows k = head.pack_times(run.operand(1) + shared, scratch.take(size.times));
  const PackedRows v = head.pack_channels(run.operand(2) + shared, scratch.take(size.times));
  float *q = scratch.take(size.block), *narrow = scratch.take(size.block);
  float *p = scratch.take(size.scores), *packed = scratch.take(size.scores);
  head.for_each_block([&](Block block) {
    head.pack_block(run.operand(0) + own, block, q);
    head.probabilities(k, q, block, p);
    const int64_t at = own + block.first;
    if (run.out[0].dtype != DType::kBf16) {
      return head.weigh(v, p, block, packed, run.output() + at, a.width());
    }
    head.weigh(v, p, block, packed, narrow, head.columns());
    round_rows(narrow, head.columns(), a.head_size, block.count,
               static_cast<BFloat16*>(run.out[0].data) + at, a.width());
  });
}

// A head of all sequences before the next head: products leave the rows of a head in the cache of
// the thread that made them.
std::unique_ptr<Kernel> causal_attention(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const AttentionShape a = attention_shape(args);
  auto kernel = kernel_of(
      [=](const KernelRun& run) {
        const auto count = static_cast<size_t>(a.batch * a.heads);
        run.pool.parallel_for(count, 1, [&](size_t begin, size_t end, int part) {
          float* scratch = run.scratch_floats() + part * forward_floats(a);
          for (size_t i = begin; i < end; ++i) {
            const int64_t head = static_cast<int64_t>(i) / a.batch;
            const int64_t b = static_cast<int64_t>(i) % a.batch;
            forward_head(a, run, head_offset(a, b, head), head_offset(a, b, head / a.group()),
                         scratch);
          }
        });
      },
      {}, 0, static_cast<size_t>(forward_floats(a)) * sizeof(float));
  if (a.sequence == 1) return kernel;
  return also_in_bf16(std::move(kernel), {.operands = {0, 1, 2}, .outputs = {0}});
}

// --- backward ---

int64_t backward_floats(const AttentionShape& a) {
  const Sizes size(a);
  return 5 * size.times + 4 * size.block + 4 * size.scores;
}

// The key head `kv` of a sequence and the query heads that share it, one after the other: their
// sums into dk and dv have one order.
class HeadBackward {
 public:
  HeadBackward(const AttentionShape& a, const KernelRun& run, int64_t shared, float* memory)
      : a_(a), run_(run), head_(a, run), shared_(shared) {
    const Sizes size(a);
    Scratch scratch(memory);
    const Numbers k = run.operand(1) + shared, v = run.operand(2) + shared;
    k_times_ = head_.pack_times(k, scratch.take(size.times));
    v_times_ = head_.pack_times(v, scratch.take(size.times));
    k_channels_ = head_.pack_channels(k, scratch.take(size.times));
    for (float** sums : {&dk_, &dv_}) {
      *sums = scratch.take(size.times);
      std::fill_n(*sums, a.sequence * a.head_size, 0.0f);
    }
    for (float** block : {&q_, &dy_, &q_transposed_, &dy_transposed_}) {
      *block = scratch.take(size.block);
    }
    for (float** scores : {&p_, &dp_, &panel_, &rows_}) *scores = scratch.take(size.scores);
  }

  void add_query_head(int64_t own) const {
    head_.for_each_block([&](Block block) { run_block(own, block); });
  }

  void finish() const {
    finish(dk_, 1);
    finish(dv_, 2);
  }

 private:
  void run_block(int64_t own, Block block) const {
    const Numbers q = run_.operand(0) + own, dy = run_.operand(3) + own;
    head_.pack_block(q, block, q_);
    head_.pack_block(dy, block, dy_);
    head_.pack_block_transposed(q, block, q_transposed_);
    head_.pack_block_transposed(dy, block, dy_transposed_);
    head_.probabilities(k_times_, q_, block, p_);
    head_.score(v_times_, dy_, block, dp_);
    simd::softmax_backward_down(p_, dp_, static_cast<size_t>(block.keys()),
                                static_cast<size_t>(head_.columns()), static_cast<float>(a_.scale));
    head_.add_weighted(p_, dy_transposed_, block, rows_, dv_);
    head_.add_weighted(dp_, q_transposed_, block, rows_, dk_);
    head_.weigh(k_channels_, dp_, block, panel_, run_.output(0) + own + block.first, a_.width());
  }

  // Sums [T, K] go to an output [K, T], a panel of times at a time.
  void finish(const float* sums, size_t output) const {
    const Tiles& tiles = fp32_tiles();
    for (int64_t t = 0; t < a_.sequence; t += tiles.columns) {
      const int64_t count = std::min(tiles.columns, a_.sequence - t), at = shared_ + t;
      tiles.pack_b(sums + t * a_.head_size, a_.head_size, true, a_.head_size, count, q_);
      if (run_.out[output].dtype == DType::kBf16) {
        round_rows(q_, tiles.columns, a_.head_size, count,
                   static_cast<BFloat16*>(run_.out[output].data) + at, a_.width());
        continue;
      }
      for (int64_t c = 0; c < a_.head_size; ++c) {
        std::copy_n(q_ + c * tiles.columns, count, run_.output(output) + at + c * a_.width());
      }
    }
  }

  const AttentionShape& a_;
  const KernelRun& run_;
  Head head_;
  int64_t shared_;
  PackedRows k_times_, v_times_, k_channels_;
  float *dk_, *dv_, *q_, *dy_, *q_transposed_, *dy_transposed_, *p_, *dp_, *panel_, *rows_;
};

std::unique_ptr<Kernel> causal_attention_backward(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const AttentionShape a = attention_shape(args);
  auto kernel = kernel_of(
      [=](const KernelRun& run) {
        const auto count = static_cast<size_t>(a.batch * a.kv_heads);
        run.pool.parallel_for(count, 1, [&](size_t begin, size_t end, int part) {
          float* scratch = run.scratch_floats() + part * backward_floats(a);
          for (size_t i = begin; i < end; ++i) {
            const int64_t kv = static_cast<int64_t>(i) / a.batch;
            const int64_t b = static_cast<int64_t>(i) % a.batch;
            const HeadBackward backward(a, run, head_offset(a, b, kv), scratch);
            for (int64_t head = kv * a.group(); head < (kv + 1) * a.group(); ++head) {
              backward.add_query_head(head_offset(a, b, head));
            }
            backward.finish();
          }
        });
      },
      {}, 0, static_cast<size_t>(backward_floats(a)) * sizeof(float));
  // Queries and keys are turned back before a product reads their gradients.
  if (a.sequence == 1) return kernel;
  return also_in_bf16(std::move(kernel), {.operands = {0, 1, 2, 3}, .outputs = {2}});
}

}  // namespace

KernelFamily attention_kernels() {
  return {
      {"anemone.causal_attention", causal_attention},
      {"anemone.causal_attention_backward", causal_attention_backward},
  };
}

}  // namespace anemone
