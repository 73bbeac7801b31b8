#include "anemone/kernels/gemm.h"

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/kernels/blocked_gemm.h"
#include "anemone/kernels/few_columns.h"

#if defined(ANEMONE_GEMM_ACCELERATE)
#include <Accelerate/Accelerate.h>
#elif defined(ANEMONE_GEMM_ONEDNN)
#include <dnnl.h>
#include <pthread.h>

#include <csignal>
// Debian's oneDNN is built on libgomp, whose threads and ours would fight for the cores: each of
// our threads asks for a team of one. Declared here because Clang's <omp.h> belongs to another
// runtime.
extern "C" void omp_set_num_threads(int threads);
#endif

namespace anemone {
namespace {

void copy_rows(const float* from, const Gemm& g) {
  for (int64_t row = 0; row < g.m; ++row) {
    std::copy_n(from + row * g.c_stride, g.n, g.c + row * g.c_stride);
  }
}

#if defined(ANEMONE_GEMM_ONEDNN)
// Keeps signals from the calling thread: oneDNN's kernels for x86 (before 3.11.2) point the stack
// register into their work space on the heap (github.com/uxlfoundation/oneDNN/issues/4845), and a
// handler's frame would go over what lies below it. What the thread itself causes, such as SIGSEGV,
// still arrives.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t held;
    sigfillset(&held);
    for (int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&held, own);
    pthread_sigmask(SIG_BLOCK, &held, &before_);
  }
  ~HeldSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

 private:
  sigset_t before_;
};
#endif

void library_gemm(const Gemm& g) {
  ANEMONE_CHECK(g.a.is_fp32() && g.b.is_fp32() && !g.row_scale);
  if (g.sum && g.sum != g.c) copy_rows(g.sum, g);
  const float beta = g.sum ? 1.0f : 0.0f;
#if defined(ANEMONE_GEMM_ACCELERATE)
  cblas_sgemm(CblasRowMajor, g.transpose_a ? CblasTrans : CblasNoTrans,
              g.transpose_b ? CblasTrans : CblasNoTrans, static_cast<int>(g.m),
              static_cast<int>(g.n), static_cast<int>(g.k), 1.0f, g.a.fp32(),
              static_cast<int>(g.a_stride), g.b.fp32(), static_cast<int>(g.b_stride), beta, g.c,
              static_cast<int>(g.c_stride));
#elif defined(ANEMONE_GEMM_ONEDNN)
  thread_local const bool single = (omp_set_num_threads(1), true);
  static_cast<void>(single);
  const HeldSignals held;
  const dnnl_status_t status =
      dnnl_sgemm(g.transpose_a ? 'T' : 'N', g.transpose_b ? 'T' : 'N', g.m, g.n, g.k, 1.0f,
                 g.a.fp32(), g.a_stride, g.b.fp32(), g.b_stride, beta, g.c, g.c_stride);
  ANEMONE_CHECK(status == dnnl_success);
#endif
}

// Whether the library has kernels for AVX-512 and takes them.
bool library_is_wide() {
#if defined(ANEMONE_GEMM_ONEDNN)
  static const bool wide =
      (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
  return wide;
#else
  return false;
#endif
}

// Of C, from which on the library's kernels begin anew: more for AVX2 than for AVX-512.
int64_t library_rows() { return library_is_wide() ? 48 : 96; }

// In fp32, as measured (docs/performance.md).
bool library_loses(const Gemm& g) {
  // A tall C, such as a classifier's: packing of A costs it more than it brings.
  constexpr int64_t kTall = 8192;
  if (g.m >= kTall && !g.transpose_a) return true;
  if (!library_is_wide()) return false;  // not measured
  // Where B is transposed C is a weight's gradient, and the sum goes over tokens; else A is a
  // weight.
  constexpr int64_t kTokens = 64, kWeights = 256 * 256;
  return g.transpose_b ? g.k >= kTokens : g.n >= kTokens && g.m * g.k >= kWeights;
}

// Null where the library is to do it.
const Tiles* own_tiles(const Gemm& g) {
  if (g.bf16) return &bf16_tiles();
  return is_worth_blocking(g) && library_loses(g) ? &fp32_tiles() : nullptr;
}

// Rows or columns [begin, end) of the product.
Gemm part_of(const Gemm& g, bool by_rows, int64_t begin, int64_t end) {
  Gemm part = g;
  if (by_rows) {
    part.m = end - begin;
    part.a += g.transpose_a ? begin : begin * g.a_stride;
    part.c += begin * g.c_stride;
    if (g.sum) part.sum += begin * g.c_stride;
  } else {
    part.n = end - begin;
    part.b += g.transpose_b ? begin * g.b_stride : begin;
    part.c += begin;
    if (g.sum) part.sum += begin;
  }
  return part;
}

// Pieces are whole tiles of the library's kernels and the last one takes the rest: a thinner piece
// would run another kernel, which adds up in another order.
void library_gemm(ThreadPool& pool, const Gemm& g) {
  constexpr int64_t kColumns = 64;
  const int64_t rows = library_rows();
  const bool by_rows = g.m >= g.n || g.m >= rows * pool.threads();
  const int64_t tile = by_rows ? rows : kColumns;
  const int64_t length = by_rows ? g.m : g.n;
  const int64_t tiles = std::max<int64_t>(length / tile, 1);
  pool.parallel_for(static_cast<size_t>(tiles), 1, [&](size_t first, size_t last, int) {
    const auto begin = static_cast<int64_t>(first) * tile;
    const auto end =
        static_cast<int64_t>(last) == tiles ? length : static_cast<int64_t>(last) * tile;
    library_gemm(part_of(g, by_rows, begin, end));
  });
}

void run_then(ThreadPool& pool, const Gemm& g) {
  constexpr int64_t kNumbers = 4096;  // that are worth a thread
  const int64_t grain = (kNumbers / g.n / kPanelRows + 1) * kPanelRows;
  pool.parallel_for(static_cast<size_t>(g.m), static_cast<size_t>(grain),
                    [&](size_t first, size_t last, int) {
                      g.then(static_cast<int64_t>(first), static_cast<int64_t>(last));
                    });
}

Gemm without_then(Gemm g) {
  g.then = {};
  return g;
}

}  // namespace

void gemm(const Gemm& g) {
  if (g.m == 0 || g.n == 0) return;
  if (g.then) {
    gemm(without_then(g));
    return g.then(0, g.m);
  }
  if (has_few_columns(g)) return few_columns_gemm(g);
  g.bf16 ? blocked_gemm(g, bf16_tiles()) : library_gemm(g);
}

void gemm(ThreadPool& pool, const Gemm& g) {
  if (g.m == 0 || g.n == 0) return;
  const bool few = has_few_columns(g);
  const Tiles* tiles = few ? nullptr : own_tiles(g);
  if (g.then && !(tiles && completes_many_rows(g, *tiles))) {
    gemm(pool, without_then(g));
    return run_then(pool, g);
  }
  if (few) return few_columns_gemm(pool, g);
  tiles ? blocked_gemm(pool, g, *tiles) : library_gemm(pool, g);
}

}  // namespace anemone
