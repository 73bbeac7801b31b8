// Arithmetic as 16-bit engines do it, on fp32 memory that holds fp16 numbers. Same conventions as
// simd.h.
#pragma once

#include <cstddef>

namespace anemone::simd {

// How results come out of an operation.
struct Finish {
  bool round = true;        // to the nearest fp16 number
  bool nan_to_zero = true;  // what is no number becomes +0
  float ceiling = 0;        // |x| from here on becomes infinity of its sign; 0: none
};
void finish(float* x, size_t n, const Finish& how);

// What is no number becomes +infinity.
void nan_to_infinity(float* x, size_t n);

// out[m, n] = sum over k of a[m * a_row + k * a_step] * b[k, n], b and out dense with n columns,
// rows [begin, end) of out. Every product is rounded to a multiple of 2^-16. Four of them (k, …,
// k+3) are added one after the other, each sum rounded to the 11 bits of fp16; what comes out below
// 2^-14 becomes 0. Those sums are added in fp32, and the total becomes infinite where it reaches
// the ceiling (infinity for none) on its way.
void grid_matmul(const float* a, size_t a_row, size_t a_step, const float* b, float* out,
                 size_t begin, size_t end, size_t inner, size_t columns, float ceiling);

}  // namespace anemone::simd
