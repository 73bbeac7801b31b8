#include "anemone/kernels/few_columns.h"

#include "anemone/kernels/kept_memory.h"
#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

constexpr int64_t kMostColumns = 8;

// Columns of B, each one's numbers side by side.
struct Columns {
  const float* first;
  int64_t stride;
};

Columns columns_of(const Gemm& g) {
  if (g.transpose_b) return {g.b.fp32(), g.b_stride};
  if (g.n == 1 && g.b_stride == 1) return {g.b.fp32(), g.k};
  thread_local KeptMemory memory;
  float* columns = memory.floats(static_cast<size_t>(g.n * g.k));
  for (int64_t k = 0; k < g.k; ++k) {
    const float* row = g.b.fp32() + k * g.b_stride;
    for (int64_t j = 0; j < g.n; ++j) columns[j * g.k + k] = row[j];
  }
  return {columns, g.k};
}

void multiply_rows(const Gemm& g, const Columns& columns, int64_t begin, int64_t end) {
  simd::matrix_vectors(g.a.fp32() + begin * g.a_stride, static_cast<size_t>(end - begin),
                       static_cast<size_t>(g.k), static_cast<size_t>(g.a_stride), columns.first,
                       static_cast<size_t>(columns.stride), static_cast<size_t>(g.n),
                       g.sum ? g.sum + begin * g.c_stride : nullptr, g.c + begin * g.c_stride,
                       static_cast<size_t>(g.c_stride));
}

}  // namespace

bool has_few_columns(const Gemm& g) {
  const bool rounds = g.bf16 && g.n > 1;
  return g.n <= kMostColumns && !g.transpose_a && !rounds && g.a.is_fp32() && g.b.is_fp32();
}

void few_columns_gemm(const Gemm& g) { multiply_rows(g, columns_of(g), 0, g.m); }

void few_columns_gemm(ThreadPool& pool, const Gemm& g) {
  const Columns columns = columns_of(g);
  pool.parallel_for(static_cast<size_t>(g.m), 1, [&](size_t begin, size_t end, int) {
    multiply_rows(g, columns, static_cast<int64_t>(begin), static_cast<int64_t>(end));
  });
}

}  // namespace anemone
