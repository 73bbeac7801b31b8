// The innermost parts of a matrix product: packing of operands and the product of two packed
// panels, for every instruction set. blocked_gemm.cpp puts them together.
#pragma once

#include <cstdint>

#include "anemone/kernels/numbers.h"

// Before loops over the sums of a tile, which stay in registers only where these are unrolled.
#if defined(__clang__)
#define ANEMONE_UNROLL _Pragma("unroll")
#define ANEMONE_UNROLL_BY_4 _Pragma("unroll 4")
#else
#define ANEMONE_UNROLL _Pragma("GCC unroll 8")
#define ANEMONE_UNROLL_BY_4 _Pragma("GCC unroll 4")
#endif

namespace anemone {

// Rows of a panel of A: a cache line of a column of it. Tiles have half of them, or fewer.
inline constexpr int64_t kPanelRows = 16, kHalfRows = 8;

// Where a product goes: c = sum + a · b, or sum + row_scale (a · b).
struct Result {
  float* c;
  int64_t stride;              // from one row to the next, of `sum` too
  const float* sum = nullptr;  // may be c; null for zeros
  // Written past the caches where it fills their lines, because nobody reads it soon. Threads that
  // do are to be told by a sequentially consistent operation.
  bool streams = false;
  const float* row_scale = nullptr;  // by bf16_tiles() with has_bf16_instructions() only

  Result at(int64_t row, int64_t column) const {
    const int64_t offset = row * stride + column;
    return {c + offset, stride, sum ? sum + offset : nullptr, streams,
            row_scale ? row_scale + row : nullptr};
  }
};

// A panel that is packed a little at a time while others are multiplied: its loads wait for memory,
// and arithmetic need not wait for them.
struct PackingAhead {
  int64_t left = 0;  // steps; 0 where there is nothing to do
  int64_t pace = 1;  // steps at a time
  int step = 0;      // what a step does: each instruction set has its own
  // Two of bf16 numbers lie in the place of a float.
  const float* from = nullptr;
  int64_t second = 0;      // from the first half of a step's numbers to the second
  int64_t prefetched = 0;  // from the step to what is asked for meanwhile
  float* to = nullptr;
  int64_t half = 0;  // from the first half of a panel of transposed A to the second
  // From one step to the next, and how much more after each `row` of them.
  int64_t from_stride = 0, to_stride = 0;
  int64_t row = 1, from_jump = 0, to_jump = 0;
  int64_t left_in_row = 1;
  // Of int4: of a step, and how many more there are after each `row` of them.
  const Half* scales = nullptr;
  int64_t scales_jump = 0;

  void advance_scales() { scales += left_in_row > 1 ? 1 : 1 + scales_jump; }  // before advance()
  void advance() {
    from += from_stride;
    to += to_stride;
    --left;
    if (--left_in_row > 0) return;
    from += from_jump;
    to += to_jump;
    left_in_row = row;
  }
};

// A unit is 32 bits: one fp32 number, or two bf16 ones that are next to each other along k. Panels
// of B are [units][columns]. Panels of A are [rows][units] where the source is row-major, and
// [2][units][kHalfRows] where it is transposed: what either is made of and read in fastest. What is
// missing of a unit is 0.
struct Tiles {
  const char* name;
  int64_t columns;  // of a panel of B
  int64_t depth;    // numbers along k in a unit
  // Whether row-major A in fp32 must be packed; else it is multiplied where it lies.
  bool packs_rows;

  // `rows` <= kPanelRows rows and `k` columns of op(A), whose rows begin `stride` apart, or whose
  // columns do where it is transposed. int8 and int4 numbers: see Gemm.
  void (*pack_a)(Numbers a, int64_t stride, bool transposed, int64_t rows, int64_t k, float* panel);
  // `k` rows and `n` <= columns columns of op(B), likewise. The rest of the panel becomes 0.
  void (*pack_b)(Numbers b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel);
  // A result of [rows, n]. Element (i, u) of `a` is at a[i * row_stride + u], or where a panel of
  // transposed A has it. Meanwhile some of `ahead` is packed.
  void (*multiply)(const float* a, int64_t row_stride, bool transposed, const float* b,
                   int64_t units, int64_t rows, int64_t n, const Result& to, PackingAhead& ahead);
  // What pack_a() and pack_b() do, in steps that multiply() takes in so many calls; none where they
  // cannot. Rows of A that are multiplied where they lie are asked for. Null where multiply() takes
  // no steps.
  PackingAhead (*pack_a_ahead)(Numbers a, int64_t stride, bool transposed, int64_t rows, int64_t k,
                               float* panel, int64_t calls);
  PackingAhead (*pack_b_ahead)(Numbers b, int64_t stride, bool transposed, int64_t k, int64_t n,
                               float* panel, int64_t calls);
  // Takes the steps that are left.
  void (*finish)(PackingAhead& ahead);
};

// In fp32.
const Tiles& fp32_tiles();
// Operands rounded to bf16, products and sums in fp32. The processor's own instructions where it
// has them (AVX-512 BF16), else the same numbers from fp32 instructions, which is no faster.
const Tiles& bf16_tiles();
bool has_bf16_instructions();
// Rows as bf16_tiles() rounds operands: to the nearest number, ties to even; what is no number
// stays none. The processor's own instructions make 0 of what is too small for a normal number, in
// a product too.
void round_rows(const float* from, int64_t from_stride, int64_t rows, int64_t columns, BFloat16* to,
                int64_t to_stride);

namespace detail {
const Tiles& emulated_bf16_tiles();
// Null where this processor or compiler has none.
const Tiles* native_bf16_tiles();
decltype(&round_rows) native_round_rows();

// Multiplies and adds registers `turns` times; returns the flops of that.
double fp32_spin(int64_t turns);
double (*native_bf16_spin())(int64_t turns);  // null where there is none
}  // namespace detail

}  // namespace anemone
