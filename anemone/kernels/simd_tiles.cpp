#include <algorithm>
#include <cstring>

#include "anemone/kernels/tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_tiles.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

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

enum Step : int {
  kColumnOfA,    // of each half of a panel of transposed A: a row of what is stored
  kRowOfB,       // of a panel
  kTransposedB,  // four columns of a panel, kRun rows of them
};
constexpr int64_t kRun = 16;  // a line of cache

// The steps of a product of so many panels of A.
PackingAhead InCalls(PackingAhead ahead, int64_t k, int64_t calls) {
  const int64_t turns = std::max<int64_t>(calls * (kPanelRows / kRows) * (k / kTurn), 1);
  ahead.pace = (ahead.left + turns - 1) / turns;
  ahead.left_in_row = ahead.row;
  return ahead;
}

PackingAhead PackAAhead(Numbers a, int64_t stride, bool transposed, int64_t rows, int64_t k,
                        float* panel, int64_t calls) {
  if (!transposed || a.is_bf16() || rows != kPanelRows) return {};
  PackingAhead ahead{.left = k, .step = kColumnOfA, .from = a.fp32(), .to = panel};
  ahead.from_stride = stride;
  ahead.to_stride = kHalfRows;
  ahead.half = k * kHalfRows;
  ahead.prefetched = 16 * stride;
  return InCalls(ahead, k, calls);
}

PackingAhead PackBAhead(Numbers b, int64_t stride, bool transposed, int64_t k, int64_t n,
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

HWY_INLINE void TakeStep(const PackingAhead& ahead) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  const float *from = ahead.from, *later = from + ahead.prefetched;
  float* to = ahead.to;
  if (ahead.step == kTransposedB) {
    for (int64_t i = 0; i < kBlock; ++i) __builtin_prefetch(later + i * ahead.second);
    ANEMONE_UNROLL
    for (int64_t i = 0; i < kRun; i += kBlock) {
      TransposeBlock<false>(from + i, ahead.second, to + i * kVectors * kLanes, kVectors * kLanes);
    }
  } else if (ahead.step == kRowOfB) {
    __builtin_prefetch(later);
    __builtin_prefetch(later + kLanes);
    CopyExactly<false, kLanes>(from, to);
    CopyExactly<false, kLanes>(from + kLanes, to + kLanes);
  } else {
    __builtin_prefetch(later);
    CopyExactly<false, kHalfRows>(from, to);
    CopyExactly<false, kHalfRows>(from + kHalfRows, to + ahead.half);
  }
}

HWY_INLINE void TakeSteps(PackingAhead& ahead, int64_t most) {
  for (int64_t steps = std::min(most, ahead.left); steps > 0; --steps) {
    TakeStep(ahead);
    ahead.advance();
  }
}

void FinishPacking(PackingAhead& ahead) { TakeSteps(ahead, ahead.left); }

// --- the product ---

// C, and what it is added to, before it is needed. A row at a time, because all at once hold up the
// tile's own loads.
HWY_INLINE void AskForRow(const float* c, const float* sum) {
  for (int64_t v = 0; v < kVectors; ++v) {
    const int64_t at = v * static_cast<int64_t>(hn::Lanes(D()));
    __builtin_prefetch(c + at, 1);
    if (sum && sum != c) __builtin_prefetch(sum + at);
  }
}

template <int kCount, bool kTransposed>
HWY_INLINE void Tile(const float* HWY_RESTRICT a, int64_t row_stride, const float* HWY_RESTRICT b,
                     int64_t units, int64_t n, const Result& to, PackingAhead& ahead) {
  const D d;
  float* c = to.c;
  const int64_t c_stride = to.stride;
  const float* sum = to.sum;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sums[kCount][kVectors];
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }
  for (int64_t u = 0, row = 0; u < units; ++row) {
    if (row < kCount) AskForRow(c + row * c_stride, sum ? sum + row * c_stride : nullptr);
    const int64_t end = std::min(u + kTurn, units);
    for (; u < end; ++u) {
      const V b0 = hn::Load(d, b), b1 = hn::Load(d, b + lanes);
      b += kVectors * lanes;
      ANEMONE_UNROLL
      for (int i = 0; i < kCount; ++i) {
        const V value = hn::Set(d, kTransposed ? a[u * kHalfRows + i] : a[i * row_stride + u]);
        sums[i][0] = hn::MulAdd(value, b0, sums[i][0]);
        sums[i][1] = hn::MulAdd(value, b1, sums[i][1]);
      }
    }
    if (ahead.left > 0) TakeSteps(ahead, ahead.pace);
  }
  if (n == kVectors * lanes) {
    ANEMONE_UNROLL
    for (int i = 0; i < kCount; ++i) {
      ANEMONE_UNROLL
      for (int64_t v = 0; v < kVectors; ++v) {
        const int64_t at = i * c_stride + v * lanes;
        hn::StoreU(sum ? hn::Add(hn::LoadU(d, sum + at), sums[i][v]) : sums[i][v], d, c + at);
      }
    }
    return;
  }
  HWY_ALIGN float row[kVectors * 16] = {};
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) hn::Store(sums[i][v], d, row + v * lanes);
    for (int64_t j = 0; j < n; ++j) {
      const int64_t at = i * c_stride + j;
      c[at] = sum ? sum[at] + row[j] : row[j];
    }
  }
}

template <bool kTransposed>
HWY_INLINE void Rows(const float* a, int64_t row_stride, const float* b, int64_t units,
                     int64_t rows, int64_t n, const Result& to, PackingAhead& ahead) {
  const auto at = [&](int64_t i) {
    return kTransposed ? a + i / kHalfRows * units * kHalfRows + i % kHalfRows : a + i * row_stride;
  };
  int64_t i = 0;
  for (; i + kRows <= rows; i += kRows) {
    Tile<kRows, kTransposed>(at(i), row_stride, b, units, n, to.at(i, 0), ahead);
  }
  for (; i + 2 <= rows; i += 2) {
    Tile<2, kTransposed>(at(i), row_stride, b, units, n, to.at(i, 0), ahead);
  }
  if (i < rows) {
    Tile<1, kTransposed>(at(i), row_stride, b, units, n, to.at(i, 0), ahead);
  }
}

void Multiply(const float* a, int64_t row_stride, bool transposed, const float* b, int64_t units,
              int64_t rows, int64_t n, const Result& to, PackingAhead& ahead) {
  if (transposed) return Rows<true>(a, row_stride, b, units, rows, n, to, ahead);
  Rows<false>(a, row_stride, b, units, rows, n, to, ahead);
}

// As many sums as hide the latency of one. They stay small, and are looked at in the end.
double Spin(int64_t turns) {
  constexpr int kSums = 12;
  const D d;
  V sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = hn::Set(d, 1e-3f * static_cast<float>(i));
  const V factor = hn::Set(d, 0.999f), more = hn::Set(d, 1e-3f);
  for (int64_t turn = 0; turn < turns; ++turn) {
    for (int i = 0; i < kSums; ++i) sums[i] = hn::MulAdd(sums[i], factor, more);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  const double flops = 2.0 * kSums * static_cast<double>(hn::Lanes(d)) * static_cast<double>(turns);
  return hn::GetLane(sums[0]) < 1e9f ? flops : 0;
}

Tiles Fp32Tiles() {
  return {"fp32",       PanelColumns(), 1,          false,      PackA<false>,
          PackB<false>, Multiply,       PackAAhead, PackBAhead, FinishPacking};
}

Tiles EmulatedTiles() {
  return {"bf16 by fp32 instructions",
          PanelColumns(),
          1,
          true,
          PackA<true>,
          PackB<true>,
          Multiply,
          nullptr,
          nullptr,
          nullptr};
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone {
namespace simd {
HWY_EXPORT(Fp32Tiles);
HWY_EXPORT(EmulatedTiles);
HWY_EXPORT(Spin);
}  // namespace simd

const Tiles& fp32_tiles() {
  static const Tiles tiles = [] {
    using namespace simd;
    return HWY_DYNAMIC_DISPATCH(Fp32Tiles)();
  }();
  return tiles;
}

const Tiles& detail::emulated_bf16_tiles() {
  static const Tiles tiles = [] {
    using namespace simd;
    return HWY_DYNAMIC_DISPATCH(EmulatedTiles)();
  }();
  return tiles;
}

double detail::fp32_spin(int64_t turns) {
  using namespace simd;
  return HWY_DYNAMIC_DISPATCH(Spin)(turns);
}

const Tiles& bf16_tiles() {
  const Tiles* native = detail::native_bf16_tiles();
  return native ? *native : detail::emulated_bf16_tiles();
}

bool has_bf16_instructions() { return detail::native_bf16_tiles() != nullptr; }

}  // namespace anemone
#endif
