// Panels of bf16 numbers for the product in bf16_tiles.cpp, at once or in steps between products.
// By hand, because Highway gets what it needs only in versions later than Debian 12's; only where
// the compiler has AVX-512 BF16.
#pragma once

#if defined(__clang__)
#include <immintrin.h>
#else
#pragma GCC diagnostic push
// GCC 12 complains of operands that its own intrinsics leave undefined (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#include <algorithm>
#include <cstring>

#include "anemone/kernels/tiles.h"

#define ANEMONE_BF16 \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,f16c,fma")))
// Where a call would send all sums to memory.
#define ANEMONE_BF16_INLINE ANEMONE_BF16 __attribute__((always_inline)) inline

namespace anemone::bf16 {

inline constexpr int64_t kLanes = 16, kVectors = 2, kColumns = kVectors * kLanes;
inline constexpr __mmask16 kEveryLane = 0xFFFF;

ANEMONE_BF16_INLINE __mmask16 first(int64_t n) {
  return static_cast<__mmask16>(n >= kLanes ? 0xFFFF : (1 << std::max<int64_t>(n, 0)) - 1);
}

// --- rows: pairs of numbers that lie below each other ---

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
ANEMONE_BF16_INLINE __m512i pairs(__m512i both) {
  alignas(64) static constexpr int16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                     21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                     11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), both);
}

// Of 32 columns of two rows the first or the second 16.
template <int kHalf>
ANEMONE_BF16_INLINE __m512i pairs_of(__m512i even, __m512i odd) {
  alignas(64) static constexpr int16_t kOrders[2][32] = {
      {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
       8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47},
      {16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55,
       24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63}};
  return _mm512_permutex2var_epi16(even, _mm512_load_si512(kOrders[kHalf]), odd);
}

// 32 columns of two rows.
ANEMONE_BF16_INLINE void pack_rows(const float* even, const float* odd, float* to) {
  _mm512_storeu_si512(to, pairs(both_rows(even, odd, kEveryLane)));
  _mm512_storeu_si512(to + kLanes, pairs(both_rows(even + kLanes, odd + kLanes, kEveryLane)));
}

ANEMONE_BF16_INLINE void pack_rows(const BFloat16* even, const BFloat16* odd, float* to) {
  const __m512i low = _mm512_loadu_si512(even), high = _mm512_loadu_si512(odd);
  _mm512_storeu_si512(to, pairs_of<0>(low, high));
  _mm512_storeu_si512(to + kLanes, pairs_of<1>(low, high));
}

// Rows of `n` columns, the rest of a panel 0.
template <typename T>
ANEMONE_BF16 void pack_panel_of_rows(const T* from, int64_t stride, int64_t k, int64_t n,
                                     float* to) {
  for (int64_t i = 0; i < k; i += 2, from += 2 * stride, to += kColumns) {
    const T* odd = i + 1 < k ? from + stride : nullptr;
    if (odd && n == kColumns) {
      pack_rows(from, odd, to);
      continue;
    }
    for (int64_t j = 0; j < kColumns; j += kLanes) {
      const __m512i both = both_rows(from + j, odd ? odd + j : nullptr, first(n - j));
      _mm512_storeu_si512(to + j, pairs(both));
    }
  }
}

// Columns of two rows as pairs, half of them to either half of a panel of transposed A.
ANEMONE_BF16_INLINE void store_halves(float* to, int64_t half, __m512i both) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(both));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + half), _mm512_extracti64x4_epi64(both, 1));
}

template <typename T>
ANEMONE_BF16 void pack_columns(const T* a, int64_t stride, int64_t rows, int64_t k, float* panel) {
  const __mmask16 mask = first(rows);
  const int64_t half = (k + 1) / 2 * kHalfRows;
  for (int64_t i = 0; i < k; i += 2, a += 2 * stride, panel += kHalfRows) {
    store_halves(panel, half, pairs(both_rows(a, i + 1 < k ? a + stride : nullptr, mask)));
  }
}

// --- along a row: pairs of neighbours ---

// A row of `n` numbers, rounded; `to` has 16 bits for each.
ANEMONE_BF16 inline void round_row(const float* from, int64_t n, void* to) {
  auto* rounded = static_cast<BFloat16*>(to);
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    _mm512_storeu_si512(rounded + i, both_rows(from + i, from + i + kLanes, kEveryLane));
  }
  for (; i < n; i += kLanes) {
    const __mmask16 mask = first(n - i);
    const __m256bh half = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + i));
    _mm256_mask_storeu_epi16(rounded + i, mask, reinterpret_cast<const __m256i&>(half));
  }
}

// One row of k numbers as (k + 1) / 2 pairs.
ANEMONE_BF16 inline void pack_along(const float* from, int64_t k, float* to) {
  if (k % 2 != 0) std::memset(to + k / 2, 0, sizeof(float));
  round_row(from, k, to);
}

ANEMONE_BF16 inline void pack_along(const BFloat16* from, int64_t k, float* to) {
  int64_t i = 0;
  for (; i + 2 * kLanes <= k; i += 2 * kLanes) {
    _mm512_storeu_si512(to + i / 2, _mm512_loadu_si512(from + i));
  }
  for (; i < k; i += kLanes) {
    const auto units = static_cast<uint8_t>(first((k - i + 1) / 2));
    _mm256_mask_storeu_epi32(to + i / 2, units, _mm256_maskz_loadu_epi16(first(k - i), from + i));
  }
}

// bf16 has every integer of up to 8 bits.
ANEMONE_BF16_INLINE __m512 widen(__m128i integers) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(integers));
}

// 32 of them.
ANEMONE_BF16_INLINE __m512i load_integers(const int8_t* from) {
  const auto* halves = reinterpret_cast<const __m128i*>(from);
  const __m512bh both =
      _mm512_cvtne2ps_pbh(widen(_mm_loadu_si128(halves + 1)), widen(_mm_loadu_si128(halves)));
  return reinterpret_cast<const __m512i&>(both);
}

ANEMONE_BF16 inline void pack_along(const int8_t* from, int64_t k, float* to) {
  int64_t i = 0;
  for (; i + 2 * kLanes <= k; i += 2 * kLanes) {
    _mm512_storeu_si512(to + i / 2, load_integers(from + i));
  }
  for (; i < k; i += kLanes) {
    const __m256bh half = _mm512_cvtneps_pbh(widen(_mm_maskz_loadu_epi8(first(k - i), from + i)));
    const auto units = static_cast<uint8_t>(first((k - i + 1) / 2));
    _mm256_mask_storeu_epi32(to + i / 2, units, reinterpret_cast<const __m256i&>(half));
  }
}

// A group, each integer times its scale, rounded. There are but sixteen of them.
ANEMONE_BF16_INLINE __m512i load_group(const void* packed, float scale) {
  const __m512 integers = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
  const __m256bh products = _mm512_cvtneps_pbh(_mm512_mul_ps(integers, _mm512_set1_ps(scale)));
  const __m512i table = _mm512_castsi256_si512(reinterpret_cast<const __m256i&>(products));
  const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(packed)));
  const __m512i halves = _mm512_and_si512(_mm512_or_si512(bytes, _mm512_slli_epi32(bytes, 12)),
                                          _mm512_set1_epi32(0x000F000F));
  return _mm512_permutexvar_epi16(halves, table);
}

ANEMONE_BF16_INLINE float wide(Half scale) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(scale.bits)));
}

// Whole groups.
ANEMONE_BF16 inline void pack_along(Int4Numbers from, int64_t k, float* to) {
  for (int64_t i = 0; i < k; i += kInt4Group, from = from + kInt4Group) {
    _mm512_storeu_si512(to + i / 2, load_group(from.packed, wide(*from.scales)));
  }
}

// --- transposed: pairs of neighbours of a row become a column ---

inline constexpr int64_t kEight = 8;  // numbers of a row at a time: four units

ANEMONE_BF16_INLINE __m128i load_eight(const float* from) {
  const __m128bh half = _mm256_cvtneps_pbh(_mm256_loadu_ps(from));
  return reinterpret_cast<const __m128i&>(half);
}

ANEMONE_BF16_INLINE __m128i load_eight(const BFloat16* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

// Every fourth of 16 rows, as many of them as there are of `n`: the rest is 0.
template <typename T>
ANEMONE_BF16_INLINE __m512i every_fourth(const T* from, int64_t stride, int64_t n) {
  __m512i rows = _mm512_setzero_si512();
  ANEMONE_UNROLL
  for (int i = 0; i < 4; ++i) {
    const auto lanes = static_cast<__mmask16>(0xF << 4 * i);
    if (4 * i < n) {
      rows = _mm512_mask_broadcast_i32x4(rows, lanes, load_eight(from + 4 * i * stride));
    }
  }
  return rows;
}

// Eight numbers of each of up to 16 rows become four units of 16 columns.
template <typename T>
ANEMONE_BF16_INLINE void transpose_eight(const T* from, int64_t stride, int64_t n, float* to) {
  __m512i rows[4];
  ANEMONE_UNROLL
  for (int i = 0; i < 4; ++i) rows[i] = every_fourth(from + i * stride, stride, n - i);
  const __m512i low01 = _mm512_unpacklo_epi32(rows[0], rows[1]);
  const __m512i low23 = _mm512_unpacklo_epi32(rows[2], rows[3]);
  const __m512i high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
  const __m512i high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
  _mm512_storeu_si512(to, _mm512_unpacklo_epi64(low01, low23));
  _mm512_storeu_si512(to + kColumns, _mm512_unpackhi_epi64(low01, low23));
  _mm512_storeu_si512(to + 2 * kColumns, _mm512_unpacklo_epi64(high01, high23));
  _mm512_storeu_si512(to + 3 * kColumns, _mm512_unpackhi_epi64(high01, high23));
}

// to[u][j] = the pair at 2 u of row j; the rest of the panel 0.
template <typename T>
ANEMONE_BF16 void pack_transposed(const T* from, int64_t stride, int64_t k, int64_t n, float* to) {
  const int64_t done = k / kEight * kEight;
  for (int64_t j = 0; j < kColumns; j += kLanes) {
    const int64_t rows = std::min(kLanes, n - j);
    const T* begin = from + j * stride;
    for (int64_t i = 0; i < done; i += kEight) {
      float* unit = to + i / 2 * kColumns + j;
      rows == kLanes ? transpose_eight(begin + i, stride, kLanes, unit)
                     : transpose_eight(begin + i, stride, rows, unit);
    }
    for (int64_t i = done; i < k; i += 2) {
      float* unit = to + i / 2 * kColumns + j;
      _mm512_storeu_si512(unit, _mm512_setzero_si512());
      for (int64_t row = 0; row < rows; ++row) {
        pack_along(begin + row * stride + i, std::min<int64_t>(2, k - i), unit + row);
      }
    }
  }
}

// --- in steps ---

// What a step packs.
enum Step : int {
  kNoStep,
  kRowOfA,         // 32 numbers of a row
  kRoundedRowOfA,  // the same where they are bf16
  kIntegerRowOfA,  // int8
  kGroupOfA,       // int4, a group
  kColumnsOfA,     // 16 columns of two rows of what is stored, to both halves of a panel
  kRowsOfB,        // two rows
  kRoundedRowsOfB,
  kTransposedB,  // 16 columns of a panel, kRun numbers of each
  kRoundedTransposedB,
  kSteps  // how many there are
};
inline constexpr int64_t kRun = 32;

// Where steps read, in floats: two of bf16 numbers lie in the place of one.
struct Source {
  explicit Source(Numbers from, int64_t stride_of_numbers)
      : rounded(from.is_bf16()),
        integers(from.is_int8()),
        groups(from.is_int4()),
        in_a_float(groups     ? 8
                   : integers ? 4
                   : rounded  ? 2
                              : 1),
        start(from.fp32()),
        scales(from.int4().scales),
        stride(stride_of_numbers / in_a_float) {}
  bool rounded, integers, groups;
  int64_t in_a_float;
  const float* start;
  const Half* scales;
  int64_t stride;
};

inline Step row_step(const Source& a) {
  if (a.groups) return kGroupOfA;
  if (a.integers) return kIntegerRowOfA;
  return a.rounded ? kRoundedRowOfA : kRowOfA;
}

inline PackingAhead columns_ahead(const Source& a, int64_t k) {
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

inline PackingAhead rows_ahead(const Source& a, int64_t k) {
  PackingAhead ahead{.step = row_step(a), .from = a.start};
  ahead.row = k / (2 * kLanes);
  ahead.left = kPanelRows * ahead.row;
  ahead.second = ahead.step == kRowOfA ? kLanes : 0;
  ahead.from_stride = 2 * kLanes / a.in_a_float;
  ahead.to_stride = kLanes;
  ahead.from_jump = a.stride - k / a.in_a_float;
  ahead.prefetched = a.stride;  // a row ahead, some thousands of cycles
  ahead.scales = a.scales;
  ahead.scales_jump = ahead.from_jump * a.in_a_float / kInt4Group;
  return ahead;
}

inline PackingAhead rows_of_b_ahead(const Source& b, int64_t k) {
  PackingAhead ahead{.left = k / 2, .step = b.rounded ? kRoundedRowsOfB : kRowsOfB};
  ahead.from = b.start;
  ahead.row = ahead.left;
  ahead.second = b.stride;
  ahead.from_stride = 2 * b.stride;
  ahead.to_stride = kColumns;
  ahead.prefetched = 16 * b.stride;
  return ahead;
}

// Half of the columns, then the other half.
inline PackingAhead transposed_b_ahead(const Source& b, int64_t k) {
  PackingAhead ahead{.step = b.rounded ? kRoundedTransposedB : kTransposedB, .from = b.start};
  ahead.row = k / kRun;
  ahead.left = kVectors * ahead.row;
  ahead.second = b.stride;
  ahead.from_stride = kRun / b.in_a_float;
  ahead.to_stride = kRun / 2 * kColumns;
  ahead.from_jump = kLanes * b.stride - k / b.in_a_float;
  ahead.to_jump = kLanes - k / 2 * kColumns;
  ahead.prefetched = ahead.from_stride;
  return ahead;
}

// Asks for what comes after this step of 16 rows while it transposes.
template <typename T>
ANEMONE_BF16_INLINE void transpose_run(const PackingAhead& ahead, const T* from, int64_t stride) {
  const float* later = ahead.from + ahead.prefetched;
  ANEMONE_UNROLL
  for (int64_t i = 0; i < kRun / kEight; ++i) {
    for (int64_t row = 4 * i; row < 4 * i + 4; ++row) {
      __builtin_prefetch(later + row * ahead.second);
    }
    transpose_eight(from + i * kEight, stride, kLanes, ahead.to + i * kEight / 2 * kColumns);
  }
}

template <int kStep>
ANEMONE_BF16_INLINE void take_step(const PackingAhead& ahead) {
  const float *low = ahead.from, *high = low + ahead.second;
  const auto* rounded = reinterpret_cast<const BFloat16*>(low);
  if constexpr (kStep == kTransposedB) {
    transpose_run(ahead, low, ahead.second);
  } else if constexpr (kStep == kRoundedTransposedB) {
    transpose_run(ahead, rounded, 2 * ahead.second);
  } else {
    __builtin_prefetch(low + ahead.prefetched);
    __builtin_prefetch(high + ahead.prefetched);
    if constexpr (kStep == kRowOfA) {
      _mm512_storeu_si512(ahead.to, both_rows(low, high, kEveryLane));
    } else if constexpr (kStep == kRoundedRowOfA) {
      _mm512_storeu_si512(ahead.to, _mm512_loadu_si512(low));
    } else if constexpr (kStep == kIntegerRowOfA) {
      _mm512_storeu_si512(ahead.to, load_integers(reinterpret_cast<const int8_t*>(low)));
    } else if constexpr (kStep == kGroupOfA) {
      _mm512_storeu_si512(ahead.to, load_group(low, wide(*ahead.scales)));
    } else if constexpr (kStep == kColumnsOfA) {
      store_halves(ahead.to, ahead.half, pairs(both_rows(low, high, kEveryLane)));
    } else if constexpr (kStep == kRowsOfB) {
      __builtin_prefetch(low + kLanes + ahead.prefetched);
      __builtin_prefetch(high + kLanes + ahead.prefetched);
      pack_rows(low, high, ahead.to);
    } else if constexpr (kStep == kRoundedRowsOfB) {
      pack_rows(rounded, reinterpret_cast<const BFloat16*>(high), ahead.to);
    }
  }
}

template <int kStep>
ANEMONE_BF16_INLINE void take_steps(PackingAhead& ahead, int64_t most) {
  for (int64_t steps = std::min(most, ahead.left); steps > 0; --steps) {
    take_step<kStep>(ahead);
    if constexpr (kStep == kGroupOfA) ahead.advance_scales();
    ahead.advance();
  }
}

}  // namespace anemone::bf16
