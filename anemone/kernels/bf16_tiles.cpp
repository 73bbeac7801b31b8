// Products of bf16 numbers by AVX-512 BF16. By hand, because Highway gets that instruction only in
// versions later than Debian 12's; the only file here with intrinsics.
#include <algorithm>
#include <cstring>

#include "anemone/kernels/tiles.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(ANEMONE_NO_NATIVE_BF16)
#include <immintrin.h>

#define ANEMONE_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))
// Where a call would send all sums to memory.
#define ANEMONE_BF16_INLINE ANEMONE_BF16 __attribute__((always_inline)) inline

namespace anemone {
namespace {

constexpr int64_t kLanes = 16, kVectors = 2, kColumns = kVectors * kLanes;
constexpr int kRows = 8;
constexpr __mmask16 kEveryLane = 0xFFFF;

// Up to 16 numbers of each of two rows, one after the other; an `odd` that is not there is 0.
ANEMONE_BF16_INLINE __m512i both_rows(const float* even, const float* odd, __mmask16 mask) {
  const __m512 high = odd ? _mm512_maskz_loadu_ps(mask, odd) : _mm512_setzero_ps();
  const __m512bh both = _mm512_cvtne2ps_pbh(high, _mm512_maskz_loadu_ps(mask, even));
  return reinterpret_cast<const __m512i&>(both);
}

ANEMONE_BF16_INLINE __m512i both_rows(const BFloat16* even, const BFloat16* odd, __mmask16 mask) {
  const __m256i low = _mm256_maskz_loadu_epi16(mask, even);
  const __m256i high = odd ? _mm256_maskz_loadu_epi16(mask, odd) : _mm256_setzero_si256();
  return _mm512_mask_broadcast_i64x4(_mm512_maskz_broadcast_i64x4(0x0F, low), 0xF0, high);
}

// Low halves from the even row, high halves from the odd one: pairs along k of 16 columns.
ANEMONE_BF16_INLINE __m512i pairs(__m512i both, __m512i order) {
  return _mm512_permutexvar_epi16(order, both);
}

// Positions of pairs() in both rows: 0, 16, 1, 17, …
ANEMONE_BF16 inline __m512i pair_order() {
  alignas(64) static constexpr int16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                     21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                     11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_load_si512(kOrder);
}

ANEMONE_BF16 inline __mmask16 first(int64_t n) {
  return static_cast<__mmask16>(n >= kLanes ? 0xFFFF : (1 << std::max<int64_t>(n, 0)) - 1);
}

// Rows k and k + 1 of `n` columns as pairs, `width` of them, the rest 0.
template <typename T>
ANEMONE_BF16 void pack_two_rows(const T* even, const T* odd, int64_t n, int64_t width, float* out) {
  const __m512i order = pair_order();
  for (int64_t j = 0; j < width; j += kLanes) {
    const __m512i both = both_rows(even + j, odd ? odd + j : nullptr, first(n - j));
    _mm512_storeu_si512(out + j, pairs(both, order));
  }
}

template <typename T>
ANEMONE_BF16 void pack_rows_in_pairs(const T* from, int64_t stride, int64_t k, int64_t n,
                                     int64_t width, float* out) {
  for (int64_t u = 0; 2 * u < k; ++u) {
    const T* even = from + 2 * u * stride;
    pack_two_rows(even, 2 * u + 1 < k ? even + stride : nullptr, n, width, out + u * width);
  }
}

// One row of k numbers as (k + 1) / 2 pairs.
ANEMONE_BF16 void pack_along(const float* from, int64_t k, float* out) {
  int64_t i = 0;
  for (; i + 2 * kLanes <= k; i += 2 * kLanes) {
    const __m512bh both =
        _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + kLanes), _mm512_loadu_ps(from + i));
    _mm512_storeu_si512(out + i / 2, reinterpret_cast<const __m512i&>(both));
  }
  for (; i < k; i += kLanes) {
    const __m256bh half = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(first(k - i), from + i));
    const auto units = static_cast<uint8_t>(first((k - i + 1) / 2));
    _mm256_mask_storeu_epi32(out + i / 2, units, reinterpret_cast<const __m256i&>(half));
  }
}

ANEMONE_BF16 void pack_along(const BFloat16* from, int64_t k, float* out) {
  int64_t i = 0;
  for (; i + 2 * kLanes <= k; i += 2 * kLanes) {
    _mm512_storeu_si512(out + i / 2, _mm512_loadu_si512(from + i));
  }
  for (; i < k; i += kLanes) {
    const auto units = static_cast<uint8_t>(first((k - i + 1) / 2));
    _mm256_mask_storeu_epi32(out + i / 2, units, _mm256_maskz_loadu_epi16(first(k - i), from + i));
  }
}

ANEMONE_BF16_INLINE __m128i load_eight(const float* from) {
  const __m128bh half = _mm256_cvtneps_pbh(_mm256_loadu_ps(from));
  return reinterpret_cast<const __m128i&>(half);
}

ANEMONE_BF16_INLINE __m128i load_eight(const BFloat16* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

// Four rows of 8 numbers as a 4 x 4 block of pairs, transposed.
template <typename T>
ANEMONE_BF16_INLINE void transpose_block(const T* from, int64_t stride, float* out) {
  __m128i rows[4];
  for (int r = 0; r < 4; ++r) rows[r] = load_eight(from + r * stride);
  const __m128i low01 = _mm_unpacklo_epi32(rows[0], rows[1]);
  const __m128i low23 = _mm_unpacklo_epi32(rows[2], rows[3]);
  const __m128i high01 = _mm_unpackhi_epi32(rows[0], rows[1]);
  const __m128i high23 = _mm_unpackhi_epi32(rows[2], rows[3]);
  const auto store = [&](int row, __m128i value) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + row * kColumns), value);
  };
  store(0, _mm_unpacklo_epi64(low01, low23));
  store(1, _mm_unpackhi_epi64(low01, low23));
  store(2, _mm_unpacklo_epi64(high01, high23));
  store(3, _mm_unpackhi_epi64(high01, high23));
}

// out[u][j] = the pair at 2 u of row j.
template <typename T>
ANEMONE_BF16 void pack_transposed(const T* from, int64_t stride, int64_t k, int64_t n, float* out) {
  int64_t j = 0;
  for (; j + 4 <= n; j += 4) {
    for (int64_t i = 0; i + 8 <= k; i += 8) {
      transpose_block(from + j * stride + i, stride, out + i / 2 * kColumns + j);
    }
  }
  const int64_t done = k / 8 * 8;
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t i = row < j ? done : 0; i < k; i += 2) {
      pack_along(from + row * stride + i, std::min<int64_t>(2, k - i),
                 out + i / 2 * kColumns + row);
    }
  }
}

// Columns of two rows as pairs, half of them to either half of a panel of transposed A.
ANEMONE_BF16_INLINE void store_halves(float* to, int64_t half, __m512i both) {
  _mm512_mask_storeu_epi32(to, 0x00FF, both);
  _mm512_mask_storeu_epi32(to + half - kHalfRows, 0xFF00, both);
}

template <typename T>
ANEMONE_BF16 void pack_columns(const T* a, int64_t stride, int64_t rows, int64_t k, float* panel) {
  const __m512i order = pair_order();
  const __mmask16 mask = first(rows);
  const int64_t half = (k + 1) / 2 * kHalfRows;
  for (int64_t i = 0; i < k; i += 2, a += 2 * stride, panel += kHalfRows) {
    const __m512i both = both_rows(a, i + 1 < k ? a + stride : nullptr, mask);
    store_halves(panel, half, pairs(both, order));
  }
}

template <typename T>
void pack_a_of(const T* a, int64_t stride, bool transposed, int64_t rows, int64_t k, float* panel) {
  if (transposed) return pack_columns(a, stride, rows, k, panel);
  const int64_t units = (k + 1) / 2;
  for (int64_t i = 0; i < rows; ++i) pack_along(a + i * stride, k, panel + i * units);
}

void pack_a(Numbers a, int64_t stride, bool transposed, int64_t rows, int64_t k, float* panel) {
  a.is_bf16() ? pack_a_of(a.bf16(), stride, transposed, rows, k, panel)
              : pack_a_of(a.fp32(), stride, transposed, rows, k, panel);
}

template <typename T>
void pack_b_of(const T* b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel) {
  if (!transposed) return pack_rows_in_pairs(b, stride, k, n, kColumns, panel);
  const int64_t units = (k + 1) / 2;
  if (n < kColumns) std::memset(panel, 0, static_cast<size_t>(units * kColumns) * sizeof(float));
  pack_transposed(b, stride, k, n, panel);
}

void pack_b(Numbers b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel) {
  b.is_bf16() ? pack_b_of(b.bf16(), stride, transposed, k, n, panel)
              : pack_b_of(b.fp32(), stride, transposed, k, n, panel);
}

// --- packing a panel while others are multiplied ---

constexpr int64_t kTurn = 16;  // units of the product between steps

// Each makes 16 pairs, but for the last two.
enum Step : int {
  kRowOfA,         // 32 numbers of a row
  kRoundedRowOfA,  // the same where they are bf16
  kColumnsOfA,     // 16 columns of two rows of what is stored, to both halves of a panel
  kRowsOfB,        // 16 columns of two rows
  kRoundedRowsOfB,
  kTransposedB,  // four columns of a panel, kRun numbers of each
  kRoundedTransposedB,
};
constexpr int64_t kRun = 16;

// Where a step reads, in floats: two of bf16 numbers lie in the place of one.
struct Source {
  explicit Source(Numbers from, int64_t stride_of_numbers)
      : rounded(from.is_bf16()),
        in_a_float(rounded ? 2 : 1),
        start(rounded ? reinterpret_cast<const float*>(from.bf16()) : from.fp32()),
        stride(stride_of_numbers / in_a_float) {}
  bool rounded;
  int64_t in_a_float;
  const float* start;
  int64_t stride;
};

// Columns of A, two rows a step.
PackingAhead columns_ahead(const Source& a, int64_t k) {
  PackingAhead ahead{.left = k / 2, .step = kColumnsOfA, .from = a.start};
  ahead.second = a.stride;
  ahead.from_stride = 2 * a.stride;
  ahead.to_stride = kHalfRows;
  ahead.row = ahead.left;
  ahead.half = k / 2 * kHalfRows;
  // Few rows, because where they are a power of two apart few lines of them fit the cache.
  ahead.prefetched = 8 * ahead.from_stride;
  return ahead;
}

// Rows of A, 32 numbers a step.
PackingAhead rows_ahead(const Source& a, int64_t k) {
  PackingAhead ahead{.step = a.rounded ? kRoundedRowOfA : kRowOfA, .from = a.start};
  ahead.row = k / (2 * kLanes);
  ahead.left = kPanelRows * ahead.row;
  ahead.second = a.rounded ? 0 : kLanes;
  ahead.from_stride = 2 * kLanes / a.in_a_float;
  ahead.to_stride = kLanes;
  ahead.from_jump = a.stride - k / a.in_a_float;
  ahead.prefetched = a.stride;  // a row ahead, some thousands of cycles
  return ahead;
}

// Rows of B, two at a time and half of their columns a step.
PackingAhead rows_of_b_ahead(const Source& b, int64_t k) {
  PackingAhead ahead{.step = b.rounded ? kRoundedRowsOfB : kRowsOfB, .from = b.start};
  ahead.row = kVectors;
  ahead.left = ahead.row * (k / 2);
  ahead.second = b.stride;
  ahead.from_stride = kLanes / b.in_a_float;
  ahead.to_stride = kLanes;
  ahead.from_jump = 2 * b.stride - kColumns / b.in_a_float;
  ahead.prefetched = 16 * b.stride;
  return ahead;
}

// Columns of B, four at a time and kRun numbers of them a step.
PackingAhead transposed_b_ahead(const Source& b, int64_t k) {
  PackingAhead ahead{.step = b.rounded ? kRoundedTransposedB : kTransposedB, .from = b.start};
  ahead.row = kColumns / 4;
  ahead.left = ahead.row * (k / kRun);
  ahead.second = b.stride;
  ahead.from_stride = 4 * b.stride;
  ahead.to_stride = 4;
  ahead.from_jump = kRun / b.in_a_float - kColumns * b.stride;
  ahead.to_jump = kRun / 2 * kColumns - kColumns;
  ahead.prefetched = kRun;
  return ahead;
}

// The steps of a product of so many panels of A.
PackingAhead in_calls(PackingAhead ahead, float* panel, int64_t k, int64_t calls) {
  ahead.left_in_row = ahead.row;
  ahead.to = panel;
  const int64_t turns = std::max<int64_t>(calls * (kPanelRows / kRows) * (k / 2 / kTurn), 1);
  ahead.pace = (ahead.left + turns - 1) / turns;
  return ahead;
}

bool is_whole(Numbers from, int64_t stride) { return !from.is_bf16() || stride % 2 == 0; }

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

template <typename T>
ANEMONE_BF16_INLINE void take_transposed(const T* from, int64_t stride, float* to) {
  transpose_block(from, stride, to);
  transpose_block(from + kRun / 2, stride, to + kRun / 4 * kColumns);
}

ANEMONE_BF16_INLINE void take_step(const PackingAhead& ahead, __m512i order) {
  const float *low = ahead.from, *high = low + ahead.second;
  const auto* narrow_low = reinterpret_cast<const BFloat16*>(low);
  const auto* narrow_high = reinterpret_cast<const BFloat16*>(high);
  __builtin_prefetch(low + ahead.prefetched);
  __builtin_prefetch(high + ahead.prefetched);
  switch (ahead.step) {
    case kRowOfA:
      return _mm512_storeu_si512(ahead.to, both_rows(low, high, kEveryLane));
    case kRoundedRowOfA:
      return _mm512_storeu_si512(ahead.to, _mm512_loadu_si512(low));
    case kColumnsOfA:
      return store_halves(ahead.to, ahead.half, pairs(both_rows(low, high, kEveryLane), order));
    case kRowsOfB:
      return _mm512_storeu_si512(ahead.to, pairs(both_rows(low, high, kEveryLane), order));
    case kRoundedRowsOfB:
      return _mm512_storeu_si512(ahead.to,
                                 pairs(both_rows(narrow_low, narrow_high, kEveryLane), order));
    case kTransposedB:
      return take_transposed(low, ahead.second, ahead.to);
    case kRoundedTransposedB:
      return take_transposed(narrow_low, 2 * ahead.second, ahead.to);
  }
}

ANEMONE_BF16_INLINE void take_steps(PackingAhead& ahead, int64_t most) {
  const __m512i order = pair_order();
  for (int64_t steps = std::min(most, ahead.left); steps > 0; --steps) {
    take_step(ahead, order);
    ahead.advance();
  }
}

ANEMONE_BF16 void finish(PackingAhead& ahead) { take_steps(ahead, ahead.left); }

// C, and what it is added to, before it is needed: it comes from memory where gradients are added
// up. A row at a time, because all at once hold up the tile's own loads.
ANEMONE_BF16_INLINE void ask_for_row(const float* c, const float* sum) {
  ANEMONE_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    __builtin_prefetch(c + v * kLanes, 1);
    if (sum && sum != c) __builtin_prefetch(sum + v * kLanes);
  }
}

template <int kCount, bool kTransposed>
ANEMONE_BF16 inline void tile(const float* __restrict a, int64_t row_stride,
                              const float* __restrict b, int64_t units, int64_t n, float* c,
                              int64_t c_stride, const float* sum, PackingAhead& ahead) {
  __m512 sums[kCount][kVectors];
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[i][v] = _mm512_setzero_ps();
  }
  for (int64_t u = 0, row = 0; u < units; ++row) {
    if (row < kCount) ask_for_row(c + row * c_stride, sum ? sum + row * c_stride : nullptr);
    const int64_t end = std::min(u + kTurn, units);
    for (; u < end; ++u) {
      const __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + kLanes);
      b += kColumns;
      ANEMONE_UNROLL
      for (int i = 0; i < kCount; ++i) {
        const __m512 value =
            _mm512_set1_ps(kTransposed ? a[u * kHalfRows + i] : a[i * row_stride + u]);
        const auto pair = reinterpret_cast<const __m512bh&>(value);
        sums[i][0] = _mm512_dpbf16_ps(sums[i][0], pair, reinterpret_cast<const __m512bh&>(b0));
        sums[i][1] = _mm512_dpbf16_ps(sums[i][1], pair, reinterpret_cast<const __m512bh&>(b1));
      }
    }
    if (ahead.left > 0) take_steps(ahead, ahead.pace);
  }
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const __mmask16 mask = first(n - v * kLanes);
      const int64_t at = i * c_stride + v * kLanes;
      const __m512 old = sum ? _mm512_maskz_loadu_ps(mask, sum + at) : _mm512_setzero_ps();
      _mm512_mask_storeu_ps(c + at, mask, _mm512_add_ps(old, sums[i][v]));
    }
  }
}

template <bool kTransposed>
ANEMONE_BF16 void multiply_rows(const float* a, int64_t row_stride, const float* b, int64_t units,
                                int64_t rows, int64_t n, float* c, int64_t c_stride,
                                const float* sum, PackingAhead& ahead) {
  const auto at = [&](int64_t i) {
    return kTransposed ? a + i / kHalfRows * units * kHalfRows + i % kHalfRows : a + i * row_stride;
  };
  const auto sum_of = [&](int64_t i) { return sum ? sum + i * c_stride : nullptr; };
  int64_t i = 0;
  for (; i + kRows <= rows; i += kRows) {
    tile<kRows, kTransposed>(at(i), row_stride, b, units, n, c + i * c_stride, c_stride, sum_of(i),
                             ahead);
  }
  for (; i < rows; ++i) {
    tile<1, kTransposed>(at(i), row_stride, b, units, n, c + i * c_stride, c_stride, sum_of(i),
                         ahead);
  }
}

void multiply(const float* a, int64_t row_stride, bool transposed, const float* b, int64_t units,
              int64_t rows, int64_t n, float* c, int64_t c_stride, const float* sum,
              PackingAhead& ahead) {
  if (transposed) {
    return multiply_rows<true>(a, row_stride, b, units, rows, n, c, c_stride, sum, ahead);
  }
  multiply_rows<false>(a, row_stride, b, units, rows, n, c, c_stride, sum, ahead);
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

double (*detail::native_bf16_spin())(int64_t turns) {
  return native_bf16_tiles() ? &spin : nullptr;
}

}  // namespace anemone

#else

namespace anemone {
const Tiles* detail::native_bf16_tiles() { return nullptr; }
double (*detail::native_bf16_spin())(int64_t turns) { return nullptr; }
}  // namespace anemone

#endif
