// Panels of fp32 numbers, or of bf16 ones that are multiplied in fp32, for the product in
// simd_tiles.cpp: at once or in steps between products.
#if defined(ANEMONE_KERNELS_SIMD_PACKING_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANEMONE_KERNELS_SIMD_PACKING_INL_H
#undef ANEMONE_KERNELS_SIMD_PACKING_INL_H
#else
#define ANEMONE_KERNELS_SIMD_PACKING_INL_H
#endif

#include <algorithm>
#include <cstring>

#include "anemone/kernels/simd-inl.h"
#include "anemone/kernels/tiles.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

// Two vectors of columns, and as many rows as the registers hold sums for.
constexpr int64_t kVectors = 2;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
constexpr int kRows = 4;  // 16 registers
#else
constexpr int kRows = 8;
#endif

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

inline int64_t PanelColumns() { return kVectors * static_cast<int64_t>(hn::Lanes(D())); }

// --- operands ---

template <bool kRound, class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF Operand(DF d, VF x) {
  if constexpr (kRound) return RoundToBf16(d, x);
  return x;
}

template <bool kRound, class DF>
HWY_INLINE hn::Vec<DF> LoadOperand(DF d, const float* from) {
  return Operand<kRound>(d, hn::LoadU(d, from));
}

template <bool kRound, class DF>
HWY_INLINE hn::Vec<DF> LoadOperand(DF d, const BFloat16* from) {
  const hn::Rebind<uint16_t, DF> half;
  const hn::RebindToUnsigned<DF> whole;
  const auto bits = hn::LoadU(half, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(whole, bits)));
}

template <bool kRound, typename T>
void CopyRow(const T* from, int64_t n, float* to) {
  Each(static_cast<size_t>(n),
       [&](auto d, size_t i) HWY_ATTR { hn::StoreU(LoadOperand<kRound>(d, from + i), d, to + i); });
}

// As many as are known beforehand, a power of two.
template <bool kRound, int64_t kCount, typename T>
HWY_INLINE void CopyExactly(const T* from, float* to) {
  const hn::CappedTag<float, kCount> d;
  ANEMONE_UNROLL
  for (int64_t i = 0; i < kCount; i += static_cast<int64_t>(hn::Lanes(d))) {
    hn::StoreU(LoadOperand<kRound>(d, from + i), d, to + i);
  }
}

#if HWY_TARGET != HWY_SCALAR
// Four rows by four columns.
template <bool kRound, typename T>
HWY_INLINE void TransposeBlock(const T* from, int64_t from_stride, float* to, int64_t to_stride) {
  const hn::CappedTag<float, 4> d;
  const auto row = [&](int64_t i)
                       HWY_ATTR { return LoadOperand<kRound>(d, from + i * from_stride); };
  const auto a = row(0), b = row(1), c = row(2), e = row(3);
  const auto ac_low = hn::InterleaveLower(d, a, c), ac_high = hn::InterleaveUpper(d, a, c);
  const auto be_low = hn::InterleaveLower(d, b, e), be_high = hn::InterleaveUpper(d, b, e);
  hn::StoreU(hn::InterleaveLower(d, ac_low, be_low), d, to);
  hn::StoreU(hn::InterleaveUpper(d, ac_low, be_low), d, to + to_stride);
  hn::StoreU(hn::InterleaveLower(d, ac_high, be_high), d, to + 2 * to_stride);
  hn::StoreU(hn::InterleaveUpper(d, ac_high, be_high), d, to + 3 * to_stride);
}
constexpr int64_t kBlock = 4;
#else
template <bool kRound, typename T>
HWY_INLINE void TransposeBlock(const T* from, int64_t, float* to, int64_t) {
  CopyRow<kRound>(from, 1, to);
}
constexpr int64_t kBlock = 1;
#endif

// to[i * to_stride + j] = from[j * from_stride + i]
template <bool kRound, typename T>
void Transpose(const T* from, int64_t from_stride, int64_t n, int64_t k, float* to,
               int64_t to_stride) {
  const int64_t whole_n = n / kBlock * kBlock, whole_k = k / kBlock * kBlock;
  for (int64_t j = 0; j < whole_n; j += kBlock) {
    for (int64_t i = 0; i < whole_k; i += kBlock) {
      TransposeBlock<kRound>(from + j * from_stride + i, from_stride, to + i * to_stride + j,
                             to_stride);
    }
  }
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = j < whole_n ? whole_k : 0; i < k; ++i) {
      CopyRow<kRound>(from + j * from_stride + i, 1, to + i * to_stride + j);
    }
  }
}

template <bool kRound, typename T>
void PackRowsOf(const T* a, int64_t stride, bool transposed, int64_t rows, int64_t k,
                float* panel) {
  if (!transposed) {
    for (int64_t i = 0; i < rows; ++i) CopyRow<kRound>(a + i * stride, k, panel + i * k);
    return;
  }
  const int64_t first = std::min(rows, kHalfRows);
  for (int64_t u = 0; u < k; ++u, a += stride, panel += kHalfRows) {
    if (rows == kPanelRows) {
      CopyExactly<kRound, kHalfRows>(a, panel);
      CopyExactly<kRound, kHalfRows>(a + first, panel + k * kHalfRows);
      continue;
    }
    CopyRow<kRound>(a, first, panel);
    CopyRow<kRound>(a + first, rows - first, panel + k * kHalfRows);
  }
}

template <bool kRound>
void PackA(Numbers a, int64_t stride, bool transposed, int64_t rows, int64_t k, float* panel) {
  a.is_bf16() ? PackRowsOf<kRound>(a.bf16(), stride, transposed, rows, k, panel)
              : PackRowsOf<kRound>(a.fp32(), stride, transposed, rows, k, panel);
}

template <bool kRound, typename T>
void PackColumnsOf(const T* b, int64_t stride, bool transposed, int64_t k, int64_t n,
                   float* panel) {
  const int64_t columns = PanelColumns();
  if (n < columns) std::memset(panel, 0, static_cast<size_t>(k * columns) * sizeof(float));
  if (transposed) return Transpose<kRound>(b, stride, n, k, panel, columns);
  for (int64_t u = 0; u < k; ++u, b += stride, panel += columns) {
    if (n < columns) {
      CopyRow<kRound>(b, n, panel);
    } else {
      for (int64_t j = 0; j < columns; j += columns / kVectors) {
        CopyExactly<kRound, hn::MaxLanes(D())>(b + j, panel + j);
      }
    }
  }
}

template <bool kRound>
void PackB(Numbers b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel) {
  b.is_bf16() ? PackColumnsOf<kRound>(b.bf16(), stride, transposed, k, n, panel)
              : PackColumnsOf<kRound>(b.fp32(), stride, transposed, k, n, panel);
}

// --- packing a panel while others are multiplied ---

constexpr int64_t kTurn = 16;  // units of the product between steps

// What a step packs.
enum Step : int {
  kNoStep,
  kRowOfA,       // nothing: asks for 16 numbers of a row, which is multiplied where it lies
  kColumnOfA,    // of each half of a panel of transposed A: a row of what is stored
  kRowOfB,       // of a panel
  kTransposedB,  // four columns of a panel, kRun rows of them
  kSteps         // how many there are
};
constexpr int64_t kRun = 16;  // a line of cache

// The steps of a product of so many panels of A.
inline PackingAhead InCalls(PackingAhead ahead, int64_t k, int64_t calls) {
  const int64_t turns = std::max<int64_t>(calls * (kPanelRows / kRows) * (k / kTurn), 1);
  ahead.pace = (ahead.left + turns - 1) / turns;
  ahead.left_in_row = ahead.row;
  return ahead;
}

inline PackingAhead PackAAhead(Numbers a, int64_t stride, bool transposed, int64_t rows, int64_t k,
                               float* panel, int64_t calls) {
  if (a.is_bf16() || rows != kPanelRows) return {};
  PackingAhead ahead{.from = a.fp32(), .to = panel};
  if (transposed) {
    ahead.left = k;
    ahead.step = kColumnOfA;
    ahead.from_stride = stride;
    ahead.to_stride = kHalfRows;
    ahead.half = k * kHalfRows;
    ahead.prefetched = 16 * stride;
  } else {
    ahead.row = k / kRun;
    ahead.left = kPanelRows * ahead.row;
    ahead.step = kRowOfA;
    ahead.from_stride = kRun;
    ahead.from_jump = stride - ahead.row * kRun;
  }
  return InCalls(ahead, k, calls);
}

inline PackingAhead PackBAhead(Numbers b, int64_t stride, bool transposed, int64_t k, int64_t n,
                               float* panel, int64_t calls) {
  const int64_t columns = PanelColumns();
  if (b.is_bf16() || n != columns) return {};
  PackingAhead ahead{.from = b.fp32(), .to = panel};
  if (!transposed) {
    ahead.left = k;
    ahead.step = kRowOfB;
    ahead.from_stride = stride;
    ahead.to_stride = columns;
    ahead.prefetched = 16 * stride;
    return InCalls(ahead, k, calls);
  }
  if (kBlock == 1 || k % kRun != 0) return {};
  ahead.step = kTransposedB;
  ahead.row = columns / kBlock;
  ahead.left = ahead.row * (k / kRun);
  ahead.from_stride = kBlock * stride;
  ahead.to_stride = kBlock;
  ahead.from_jump = kRun - columns * stride;
  ahead.to_jump = (kRun - 1) * columns;
  ahead.second = stride;
  ahead.prefetched = kRun;
  return InCalls(ahead, k, calls);
}

template <int kStep>
HWY_INLINE void TakeStep(const PackingAhead& ahead) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  const float *from = ahead.from, *later = from + ahead.prefetched;
  float* to = ahead.to;
  if constexpr (kStep == kRowOfA) {
    constexpr int kSecondLevel = 2;  // the first has not room for a panel and the B that passes it
    __builtin_prefetch(from, 0, kSecondLevel);
  } else if constexpr (kStep == kColumnOfA) {
    __builtin_prefetch(later);
    CopyExactly<false, kHalfRows>(from, to);
    CopyExactly<false, kHalfRows>(from + kHalfRows, to + ahead.half);
  } else if constexpr (kStep == kRowOfB) {
    __builtin_prefetch(later);
    __builtin_prefetch(later + kLanes);
    CopyExactly<false, kLanes>(from, to);
    CopyExactly<false, kLanes>(from + kLanes, to + kLanes);
  } else if constexpr (kStep == kTransposedB) {
    for (int64_t i = 0; i < kBlock; ++i) __builtin_prefetch(later + i * ahead.second);
    ANEMONE_UNROLL
    for (int64_t i = 0; i < kRun; i += kBlock) {
      TransposeBlock<false>(from + i, ahead.second, to + i * kVectors * kLanes, kVectors * kLanes);
    }
  }
}

template <int kStep>
HWY_INLINE void TakeSteps(PackingAhead& ahead, int64_t most) {
  for (int64_t steps = std::min(most, ahead.left); steps > 0; --steps) {
    TakeStep<kStep>(ahead);
    ahead.advance();
  }
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
