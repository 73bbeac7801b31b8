// Products of bf16 numbers by AVX-512 BF16; the panels that they read are made in bf16_packing.h.
#include "anemone/kernels/tiles.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(ANEMONE_NO_NATIVE_BF16)
#include <array>
#include <utility>

#include "anemone/base/error.h"
#include "anemone/kernels/bf16_packing.h"

namespace anemone {
namespace {

using namespace bf16;

constexpr int kRows = 8;       // of a tile
constexpr int64_t kTurn = 16;  // units of the product between steps of packing

template <typename T>
void pack_a_of(const T* a, int64_t stride, bool transposed, int64_t rows, int64_t k, float* panel) {
  if (transposed) return pack_columns(a, stride, rows, k, panel);
  const int64_t units = (k + 1) / 2;
  for (int64_t i = 0; i < rows; ++i) pack_along(a + i * stride, k, panel + i * units);
}

void pack_a(Numbers a, int64_t stride, bool transposed, int64_t rows, int64_t k, float* panel) {
  if (a.is_bf16()) return pack_a_of(a.bf16(), stride, transposed, rows, k, panel);
  if (a.is_fp32()) return pack_a_of(a.fp32(), stride, transposed, rows, k, panel);
  ANEMONE_CHECK(!transposed);
  const int64_t units = (k + 1) / 2;
  for (int64_t i = 0; i < rows; ++i, a += stride, panel += units) {
    a.is_int4() ? pack_along(a.int4(), k, panel) : pack_along(a.int8(), k, panel);
  }
}

template <typename T>
void pack_b_of(const T* b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel) {
  transposed ? pack_transposed(b, stride, k, n, panel) : pack_panel_of_rows(b, stride, k, n, panel);
}

void pack_b(Numbers b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel) {
  b.is_bf16() ? pack_b_of(b.bf16(), stride, transposed, k, n, panel)
              : pack_b_of(b.fp32(), stride, transposed, k, n, panel);
}

// The steps of a product of so many panels of A.
PackingAhead in_calls(PackingAhead ahead, float* panel, int64_t k, int64_t calls) {
  ahead.left_in_row = ahead.row;
  ahead.to = panel;
  const int64_t turns = std::max<int64_t>(calls * (kPanelRows / kRows) * (k / 2 / kTurn), 1);
  ahead.pace = (ahead.left + turns - 1) / turns;
  return ahead;
}

bool is_whole(Numbers from, int64_t stride) {
  const int64_t in_a_float = from.is_int8() ? 4 : 2;
  return from.is_fp32() || stride % (from.is_int4() ? kInt4Group : in_a_float) == 0;
}

PackingAhead pack_a_ahead(Numbers a, int64_t stride, bool transposed, int64_t rows, int64_t k,
                          float* panel, int64_t calls) {
  if (rows != kPanelRows || !is_whole(a, stride)) return {};
  if (k % (transposed ? 2 : 2 * kLanes) != 0 || (transposed && a.is_bf16())) return {};
  const Source source(a, stride);
  return in_calls(transposed ? columns_ahead(source, k) : rows_ahead(source, k), panel, k, calls);
}

PackingAhead pack_b_ahead(Numbers b, int64_t stride, bool transposed, int64_t k, int64_t n,
                          float* panel, int64_t calls) {
  if (n != kColumns || !is_whole(b, stride) || k % (transposed ? kRun : 2) != 0) return {};
  const Source source(b, stride);
  return in_calls(transposed ? transposed_b_ahead(source, k) : rows_of_b_ahead(source, k), panel, k,
                  calls);
}

// C, and what it is added to, before it is needed: it comes from memory where gradients are added
// up. A row at a time, because all at once hold up the tile's own loads.
ANEMONE_BF16_INLINE void ask_for_row(const Result& to) {
  ANEMONE_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    __builtin_prefetch(to.c + v * kLanes, 1);
    if (to.sum && to.sum != to.c) __builtin_prefetch(to.sum + v * kLanes);
  }
}

// Whole lines of memory.
bool is_streamed(const Result& to, int64_t n) {
  return to.streams && !to.sum && n == kColumns && to.stride % kLanes == 0 &&
         reinterpret_cast<uintptr_t>(to.c) % (kLanes * sizeof(float)) == 0;
}

template <int kCount>
using Sums = __m512[kCount][kVectors];

template <int kCount>
ANEMONE_BF16_INLINE void scale_rows(Sums<kCount>& sums, const float* scale) {
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    const __m512 factor = _mm512_set1_ps(scale[i]);
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[i][v] = _mm512_mul_ps(sums[i][v], factor);
  }
}

template <int kCount>
ANEMONE_BF16_INLINE void store_past_caches(const Sums<kCount>& sums, Result to) {
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) _mm512_stream_ps(to.c + v * kLanes, sums[i][v]);
    to = to.at(1, 0);
  }
}

// All columns of a panel.
template <int kCount>
ANEMONE_BF16_INLINE void store_whole(const Sums<kCount>& sums, Result to) {
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = v * kLanes;
      _mm512_storeu_ps(
          to.c + at, to.sum ? _mm512_add_ps(_mm512_loadu_ps(to.sum + at), sums[i][v]) : sums[i][v]);
    }
    to = to.at(1, 0);
  }
}

template <int kCount>
ANEMONE_BF16_INLINE void store(const Sums<kCount>& sums, int64_t n, Result to) {
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const __mmask16 mask = first(n - v * kLanes);
      const int64_t at = v * kLanes;
      const __m512 old = to.sum ? _mm512_maskz_loadu_ps(mask, to.sum + at) : _mm512_setzero_ps();
      _mm512_mask_storeu_ps(to.c + at, mask, _mm512_add_ps(old, sums[i][v]));
    }
    to = to.at(1, 0);
  }
}

// A unit of each row of A, `stride` apart, times that of all columns of B.
template <int kCount>
ANEMONE_BF16_INLINE void add_unit(Sums<kCount>& sums, const float* a, int64_t stride,
                                  const float* b) {
  const __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + kLanes);
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    const __m512 value = _mm512_set1_ps(a[i * stride]);
    const auto pair = reinterpret_cast<const __m512bh&>(value);
    sums[i][0] = _mm512_dpbf16_ps(sums[i][0], pair, reinterpret_cast<const __m512bh&>(b0));
    sums[i][1] = _mm512_dpbf16_ps(sums[i][1], pair, reinterpret_cast<const __m512bh&>(b1));
  }
}

template <int kCount, bool kTransposed, int kStep>
ANEMONE_BF16 inline void tile(const float* __restrict a, int64_t row_stride,
                              const float* __restrict b, int64_t units, int64_t n, const Result& to,
                              PackingAhead& ahead) {
  const bool streams = is_streamed(to, n);
  Sums<kCount> sums;
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[i][v] = _mm512_setzero_ps();
  }
  for (int64_t u = 0, row = 0; u < units; ++row) {
    if (row < kCount && !streams) ask_for_row(to.at(row, 0));
    const int64_t end = std::min(u + kTurn, units);
    if constexpr (kTransposed) {
      // Four at a time make products that pack A ahead 3 % slower here.
      for (; u < end; ++u, b += kColumns) add_unit<kCount>(sums, a + u * kHalfRows, 1, b);
    } else {
      ANEMONE_UNROLL_BY_4
      for (; u < end; ++u, b += kColumns) add_unit<kCount>(sums, a + u, row_stride, b);
    }
    if constexpr (kStep != kNoStep) take_steps<kStep>(ahead, ahead.pace);
  }
  if (to.row_scale) scale_rows<kCount>(sums, to.row_scale);
  if (streams) return store_past_caches<kCount>(sums, to);
  n == kColumns ? store_whole<kCount>(sums, to) : store<kCount>(sums, n, to);
}

// An instance for each kind of step: a loop that has to look for it leaves fewer registers.
template <bool kTransposed, int kStep>
ANEMONE_BF16 void multiply_rows(const float* a, int64_t row_stride, bool, const float* b,
                                int64_t units, int64_t rows, int64_t n, const Result& to,
                                PackingAhead& ahead) {
  const auto at = [&](int64_t i) {
    return kTransposed ? a + i / kHalfRows * units * kHalfRows + i % kHalfRows : a + i * row_stride;
  };
  int64_t i = 0;
  for (; i + kRows <= rows; i += kRows) {
    tile<kRows, kTransposed, kStep>(at(i), row_stride, b, units, n, to.at(i, 0), ahead);
  }
  for (; i < rows; ++i) {
    tile<1, kTransposed, kNoStep>(at(i), row_stride, b, units, n, to.at(i, 0), ahead);
  }
}

template <int... kStep>
constexpr auto by_step(std::integer_sequence<int, kStep...>) {
  return std::array{std::array{multiply_rows<false, kStep>, multiply_rows<true, kStep>}...};
}

void multiply(const float* a, int64_t row_stride, bool transposed, const float* b, int64_t units,
              int64_t rows, int64_t n, const Result& to, PackingAhead& ahead) {
  static constexpr auto kByStep = by_step(std::make_integer_sequence<int, kSteps>());
  const auto step = static_cast<size_t>(ahead.left > 0 ? ahead.step : kNoStep);
  kByStep[step][transposed](a, row_stride, transposed, b, units, rows, n, to, ahead);
}

template <int... kStep>
ANEMONE_BF16 void finish_any(PackingAhead& ahead, std::integer_sequence<int, kStep...>) {
  ((ahead.step == kStep ? take_steps<kStep>(ahead, ahead.left) : void()), ...);
}

void finish(PackingAhead& ahead) { finish_any(ahead, std::make_integer_sequence<int, kSteps>()); }

ANEMONE_BF16 void round_all(const float* from, int64_t from_stride, int64_t rows, int64_t columns,
                            BFloat16* to, int64_t to_stride) {
  for (int64_t row = 0; row < rows; ++row, from += from_stride, to += to_stride) {
    round_row(from, columns, to);
  }
}

ANEMONE_BF16 double spin(int64_t turns) {
  constexpr int kSums = 16;  // twelve do not hide the latency of these
  __m512 sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_set1_ps(1e-3f * static_cast<float>(i));
  const __m512 small = _mm512_set1_ps(1e-6f);
  const auto operand = reinterpret_cast<const __m512bh&>(small);
  for (int64_t turn = 0; turn < turns; ++turn) {
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], operand, operand);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  const double flops = 4.0 * kSums * kLanes * static_cast<double>(turns);
  return _mm512_cvtss_f32(sums[0]) < 1e9f ? flops : 0;
}

constexpr Tiles kTiles = {"bf16 by AVX-512", kColumns,     2,     true, pack_a, pack_b, multiply,
                          pack_a_ahead,      pack_b_ahead, finish};

}  // namespace

const Tiles* detail::native_bf16_tiles() {
  static const bool there = __builtin_cpu_supports("avx512bf16") &&
                            __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512vl");
  return there ? &kTiles : nullptr;
}

decltype(&round_rows) detail::native_round_rows() {
  return native_bf16_tiles() ? &round_all : nullptr;
}

double (*detail::native_bf16_spin())(int64_t turns) {
  return native_bf16_tiles() ? &spin : nullptr;
}

}  // namespace anemone

#else

namespace anemone {
const Tiles* detail::native_bf16_tiles() { return nullptr; }
decltype(&round_rows) detail::native_round_rows() { return nullptr; }
double (*detail::native_bf16_spin())(int64_t turns) { return nullptr; }
}  // namespace anemone

#endif
