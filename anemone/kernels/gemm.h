// Matrix products: oneDNN on Linux, Accelerate on macOS, or our own where that is faster, behind
// one function.
#pragma once

#include <cstdint>

#include "anemone/base/threads.h"
#include "anemone/kernels/numbers.h"

namespace anemone {

// What to do with rows [first, last) of C that are complete, while they are in the caches.
struct RowsDone {
  void (*call)(void* context, int64_t first, int64_t last) = nullptr;
  void* context = nullptr;

  explicit operator bool() const { return call != nullptr; }
  void operator()(int64_t first, int64_t last) const { call(context, first, last); }
};

// C [m, n] = op(A) · op(B) + sum, row-major. op(A) is [m, k] and op(B) [k, n]; a transposed operand
// is stored [k, m] or [n, k]. Strides are elements from one stored row to the next.
struct Gemm {
  bool transpose_a = false, transpose_b = false;
  int64_t m = 0, n = 0, k = 0;
  Numbers a;
  int64_t a_stride = 0;
  Numbers b;
  int64_t b_stride = 0;
  const float* sum = nullptr;  // with the stride of C, which it may be; null for zeros
  float* c = nullptr;
  int64_t c_stride = 0;
  // Nobody reads C before much else is read: it may be written past the caches.
  bool streams = false;
  // A and B are rounded to bf16 (where C has several columns); products and sums stay fp32. What
  // already is bf16 is an operand of such products only.
  bool bf16 = false;
  // Each row of A · B is multiplied by its number here; null for ones. Only for products in bf16
  // where has_bf16_instructions() (tiles.h), and so is an A of int8 or int4, which is not
  // transposed; rows of int4 are whole groups, and integers times their scales are rounded too.
  const float* row_scale = nullptr;
  // Products by one thread that have the same number here, which is not 0, have the same B, whose
  // memory nobody has written meanwhile: what one has packed of it the next one can use.
  uint64_t b_version = 0;
  // Called for all rows, some at a time, in any order and by several threads: while others are not
  // complete and operands are still read where that saves time, else in the end. Rows begin and
  // end at multiples of sixteen, but for the last.
  RowsDone then = {};
};

// On the calling thread alone.
void gemm(const Gemm& g);
// Split over the pool along the longer side of C: sums do not depend on the number of threads.
void gemm(ThreadPool& pool, const Gemm& g);

}  // namespace anemone
