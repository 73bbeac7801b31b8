// Causal attention in blocks of queries, heads in parallel.
//
// A head of [1, C, 1, S] is a matrix [K, T] with channels as rows. For a block of queries only the
// keys up to its end count, so that the upper triangle is never computed, and only a block of
// probabilities exists at a time: memory grows with T, not with T². The backward operation computes
// the probabilities again.
#include <algorithm>
#include <cmath>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/gemm.h"
#include "anemone/kernels/simd.h"
#include "anemone/ops/composites.h"

namespace anemone {
namespace {

constexpr int64_t kQueryBlock = 64;

int64_t query_block(const AttentionShape& a) { return std::min(kQueryBlock, a.sequence); }

// Start of head `head` of sequence `b` in memory laid out like q (or k).
int64_t head_offset(const AttentionShape& a, int64_t b, int64_t head) {
  return head * a.head_size * a.width() + b * a.sequence;
}

// Queries [first, first + count) with the keys [0, first + count) that they see.
struct Block {
  int64_t first, count;
  int64_t keys() const { return first + count; }
};

template <typename Visit>
void for_each_block(const AttentionShape& a, Visit&& visit) {
  for (int64_t first = 0; first < a.sequence; first += query_block(a)) {
    visit(Block{first, std::min(query_block(a), a.sequence - first)});
  }
}

// p [count, T] = softmax of the scaled scores of a block.
void probabilities(const AttentionShape& a, bool bf16, Block block, Numbers q, Numbers k,
                   float* p) {
  gemm({.transpose_a = true,
        .m = block.count,
        .n = block.keys(),
        .k = a.head_size,
        .a = q + block.first,
        .a_stride = a.width(),
        .b = k,
        .b_stride = a.width(),
        .c = p,
        .c_stride = a.sequence,
        .bf16 = bf16});
  for (int64_t i = 0; i < block.count; ++i) {
    simd::softmax_row(p + i * a.sequence, static_cast<size_t>(block.first + i + 1),
                      static_cast<size_t>(block.keys()), static_cast<float>(a.scale()));
  }
}

// Part of an output as fp32: its own memory, or where that is bf16 a matrix that is rounded to it
// by finish().
struct Part {
  float* data;
  int64_t stride;
  BFloat16* narrow = nullptr;

  // From element `first` of the output on, whose rows are `width` long.
  static Part of(const KernelRun& run, size_t output, int64_t first, int64_t width, float* matrix,
                 int64_t columns) {
    if (run.out[output].dtype != DType::kBf16) return {run.output(output) + first, width};
    return {matrix, columns, static_cast<BFloat16*>(run.out[output].data) + first};
  }

  void finish(int64_t rows, int64_t columns, int64_t width) const {
    if (!narrow) return;
    for (int64_t row = 0; row < rows; ++row) {
      simd::to_bf16(data + row * stride, narrow + row * width, static_cast<size_t>(columns));
    }
  }
};

// Scratch of a thread: probabilities, and a block of results.
size_t forward_floats(const AttentionShape& a) {
  return static_cast<size_t>(query_block(a) * (a.sequence + a.head_size));
}

void forward_head(const AttentionShape& a, const KernelRun& run, int64_t own, int64_t shared,
                  float* p) {
  const Numbers q = run.operand(0) + own, k = run.operand(1) + shared, v = run.operand(2) + shared;
  for_each_block(a, [&](Block block) {
    probabilities(a, run.bf16, block, q, k, p);
    const Part out = Part::of(run, 0, own + block.first, a.width(), p + query_block(a) * a.sequence,
                              block.count);
    gemm({.transpose_b = true,  // out [K, count] = v [K, keys] · pᵀ
          .m = a.head_size,
          .n = block.count,
          .k = block.keys(),
          .a = v,
          .a_stride = a.width(),
          .b = p,
          .b_stride = a.sequence,
          .c = out.data,
          .c_stride = out.stride,
          .bf16 = run.bf16});
    out.finish(a.head_size, block.count, a.width());
  });
}

std::unique_ptr<Kernel> causal_attention(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const AttentionShape a = attention_shape(args);
  auto kernel = kernel_of(
      [=](const KernelRun& run) {
        const auto count = static_cast<size_t>(a.batch * a.heads);
        run.pool.parallel_for(count, 1, [&](size_t begin, size_t end, int part) {
          float* p = run.scratch_floats() + static_cast<size_t>(part) * forward_floats(a);
          for (size_t i = begin; i < end; ++i) {
            const int64_t b = static_cast<int64_t>(i) / a.heads;
            const int64_t head = static_cast<int64_t>(i) % a.heads;
            forward_head(a, run, head_offset(a, b, head), head_offset(a, b, head / a.group()), p);
          }
        });
      },
      {}, 0, forward_floats(a) * sizeof(float));
  // A sequence of one token has products of one column, which round nothing.
  if (a.sequence == 1) return kernel;
  return also_in_bf16(std::move(kernel), {.operands = {0, 1, 2}, .outputs = {0}});
}

// One head of the backward operation. dk and dv are added to where `accumulate` (later heads of a
// group), else written. p and dp: [block, T] scratch.
struct HeadBackward {
  const AttentionShape& a;
  bool bf16;
  Numbers q, k, v, dy;
  float* dq;
  const Part &dk, &dv;
  float *p, *dp;

  // target [K, keys] += source [K, count] · weights [count, keys]
  void add_product(Numbers source, const float* weights, Block block, const Part& target) const {
    gemm({.m = a.head_size,
          .n = block.keys(),
          .k = block.count,
          .a = source + block.first,
          .a_stride = a.width(),
          .b = weights,
          .b_stride = a.sequence,
          .sum = target.data,
          .c = target.data,
          .c_stride = target.stride,
          .bf16 = bf16});
  }

  void run_block(Block block) const {
    probabilities(a, bf16, block, q, k, p);
    gemm({.transpose_a = true,  // dp [count, keys] = dyᵀ · v
          .m = block.count,
          .n = block.keys(),
          .k = a.head_size,
          .a = dy + block.first,
          .a_stride = a.width(),
          .b = v,
          .b_stride = a.width(),
          .c = dp,
          .c_stride = a.sequence,
          .bf16 = bf16});
    for (int64_t i = 0; i < block.count; ++i) {
      simd::softmax_backward_row(p + i * a.sequence, dp + i * a.sequence,
                                 static_cast<size_t>(block.keys()), static_cast<float>(a.scale()));
    }
    add_product(dy, p, block, dv);
    add_product(q, dp, block, dk);
    gemm({.transpose_b = true,  // dq [K, count] = k [K, keys] · dpᵀ
          .m = a.head_size,
          .n = block.count,
          .k = block.keys(),
          .a = k,
          .a_stride = a.width(),
          .b = dp,
          .b_stride = a.sequence,
          .c = dq + block.first,
          .c_stride = a.width(),
          .bf16 = bf16});
  }
};

void clear_head(const AttentionShape& a, const Part& head) {
  for (int64_t c = 0; c < a.head_size; ++c) {
    std::fill_n(head.data + c * head.stride, a.sequence, 0.0f);
  }
}

// Scratch of a thread: probabilities and their gradients, and the sums of a head.
size_t backward_floats(const AttentionShape& a) {
  return static_cast<size_t>((2 * query_block(a) + a.head_size) * a.sequence);
}

// All query heads that share key head `kv` of sequence b, one after the other: their sums into dk
// and dv have one order.
void backward_group(const AttentionShape& a, const KernelRun& run, int64_t b, int64_t kv,
                    float* scratch) {
  const int64_t shared = head_offset(a, b, kv), block_floats = query_block(a) * a.sequence;
  const Part dk{run.output(1) + shared, a.width()};
  const Part dv = Part::of(run, 2, shared, a.width(), scratch + 2 * block_floats, a.sequence);
  clear_head(a, dk);
  clear_head(a, dv);
  for (int64_t head = kv * a.group(); head < (kv + 1) * a.group(); ++head) {
    const int64_t own = head_offset(a, b, head);
    const HeadBackward backward{a,
                                run.bf16,
                                run.operand(0) + own,
                                run.operand(1) + shared,
                                run.operand(2) + shared,
                                run.operand(3) + own,
                                run.output(0) + own,
                                dk,
                                dv,
                                scratch,
                                scratch + block_floats};
    for_each_block(a, [&](Block block) { backward.run_block(block); });
  }
  dv.finish(a.head_size, a.sequence, a.width());
}

std::unique_ptr<Kernel> causal_attention_backward(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const AttentionShape a = attention_shape(args);
  auto kernel = kernel_of(
      [=](const KernelRun& run) {
        const auto count = static_cast<size_t>(a.batch * a.kv_heads);
        run.pool.parallel_for(count, 1, [&](size_t begin, size_t end, int part) {
          float* scratch = run.scratch_floats() + static_cast<size_t>(part) * backward_floats(a);
          for (size_t i = begin; i < end; ++i) {
            const auto index = static_cast<int64_t>(i);
            backward_group(a, run, index / a.kv_heads, index % a.kv_heads, scratch);
          }
        });
      },
      {}, 0, backward_floats(a) * sizeof(float));
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
