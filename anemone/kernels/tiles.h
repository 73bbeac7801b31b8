// The innermost parts of a matrix product: packing of operands and the product of two packed
// panels, for every instruction set. blocked_gemm.cpp puts them together.
#pragma once

#include <cstdint>

namespace anemone {

// Rows of a panel of A. Tiles of fewer are made of it.
inline constexpr int64_t kPanelRows = 16;

// A unit is 32 bits: one fp32 number, or two bf16 ones that are next to each other along k. Panels
// of B are [units][columns]. Panels of A are [rows][units] where the source is row-major, and
// [units][kPanelRows] where it is transposed, which is how either is read fastest. What is missing
// of a unit is 0.
struct Tiles {
  const char* name;
  int64_t columns;  // of a panel of B
  int64_t depth;    // numbers along k in a unit
  // Whether row-major A must be packed; else it is multiplied where it lies.
  bool packs_rows;

  // `rows` <= kPanelRows rows and `k` columns of op(A), whose rows begin `stride` apart, or whose
  // columns do where it is transposed.
  void (*pack_a)(const float* a, int64_t stride, bool transposed, int64_t rows, int64_t k,
                 float* panel);
  // `k` rows and `n` <= columns columns of op(B), likewise. The rest of the panel becomes 0.
  void (*pack_b)(const float* b, int64_t stride, bool transposed, int64_t k, int64_t n,
                 float* panel);
  // c [rows, n] = a · b, or c + a · b. Element (i, u) of `a` is at a[i * row_stride + u] or, where
  // it is transposed, at a[u * row_stride + i].
  void (*multiply)(const float* a, int64_t row_stride, bool transposed, const float* b,
                   int64_t units, int64_t rows, int64_t n, float* c, int64_t c_stride, bool add);
};

// In fp32.
const Tiles& fp32_tiles();
// Operands rounded to bf16, products and sums in fp32. The processor's own instructions where it
// has them (AVX-512 BF16), else the same numbers from fp32 instructions, which is no faster.
const Tiles& bf16_tiles();
bool has_bf16_instructions();

namespace detail {
const Tiles& emulated_bf16_tiles();
const Tiles* native_bf16_tiles();  // null where this processor or compiler has none

// Multiplies and adds registers `turns` times; returns the flops of that.
double fp32_spin(int64_t turns);
double (*native_bf16_spin())(int64_t turns);  // null where there is none
}  // namespace detail

}  // namespace anemone
