#include "anemone/kernels/simd_conv.h"

#include <algorithm>

#include "anemone/kernels/tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_conv.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
constexpr int kTileRows = 4;  // 16 registers
#else
constexpr int kTileRows = 8;
#endif

int64_t Lanes() { return static_cast<int64_t>(hn::Lanes(D())); }

// --- results ---

template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF Finished(DF d, VF x, const ConvFinish& f, int64_t row, const float* addend) {
  if (f.bias) x = hn::Add(x, hn::Set(d, f.bias[row]));
  if (f.rounds) x = RoundToHalf(d, x);
  if (addend) {
    x = hn::Add(x, hn::LoadU(d, addend));
    if (f.rounds_sum) x = RoundToHalf(d, x);
  }
  return f.has_limits ? Limited(d, x, f.low, f.high) : x;
}

// A block of sums [rows, width] to where they go. Apart from the products, so that these are little
// code. No sum is -0, so that a bias of 0 changes none.
template <bool kAddend, bool kRounds>
void PutFinished(const ConvTile& t, const float* block, int64_t width, int64_t first,
                 int64_t rows) {
  const D d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = Lanes(), whole = t.n / lanes * lanes;
  const ConvFinish& f = *t.finish;
  for (int64_t i = 0; i < rows; ++i, block += width) {
    float* c = t.c + (first + i) * t.stride;
    const float* addend = kAddend ? f.addend + (first + i) * t.stride : nullptr;
    const float bias = f.bias ? f.bias[first + i] : 0;
    const auto put = [&](auto tag, int64_t at) HWY_ATTR {
      auto x = hn::LoadU(tag, block + at);
      if (t.adds) x = hn::Add(hn::LoadU(tag, c + at), x);
      x = hn::Add(x, hn::Set(tag, bias));
      if constexpr (kRounds) {
        if (f.rounds) x = RoundToHalf(tag, x);
      }
      if constexpr (kAddend) x = hn::Add(x, hn::LoadU(tag, addend + at));
      if constexpr (kAddend && kRounds) {
        if (f.rounds_sum) x = RoundToHalf(tag, x);
      }
      hn::StoreU(Limited(tag, x, f.low, f.high), tag, c + at);
    };
    for (int64_t at = 0; at < whole; at += lanes) put(d, at);
    for (int64_t at = whole; at < t.n; ++at) put(one, at);
  }
}

// Without a finish.
void PutSums(const ConvTile& t, const float* block, int64_t width, int64_t first, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i, block += width) {
    float* c = t.c + (first + i) * t.stride;
    Each(static_cast<size_t>(t.n), [&](auto d, size_t at) HWY_ATTR {
      auto x = hn::LoadU(d, block + at);
      if (t.adds) x = hn::Add(hn::LoadU(d, c + at), x);
      hn::StoreU(x, d, c + at);
    });
  }
}

HWY_INLINE void Put(const ConvTile& t, const float* block, int64_t width, int64_t first,
                    int64_t rows) {
  if (!t.finish) return PutSums(t, block, width, first, rows);
  const bool rounds = t.finish->rounds || t.finish->rounds_sum;
  if (t.finish->addend) {
    rounds ? PutFinished<true, true>(t, block, width, first, rows)
           : PutFinished<true, false>(t, block, width, first, rows);
  } else {
    rounds ? PutFinished<false, true>(t, block, width, first, rows)
           : PutFinished<false, false>(t, block, width, first, rows);
  }
}

// --- products ---

// Steps of the sum between asking for weights and their use: the third-level cache takes as long.
constexpr int64_t kStepsAhead = 32;

template <int kCount, int kVectors>
void TileOf(const ConvTile& t, const float* HWY_RESTRICT a, int64_t first, int64_t rows) {
  const D d;
  const int64_t lanes = Lanes();
  const float* HWY_RESTRICT b = t.b;
  V sums[kCount][kVectors];
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }
  for (int64_t k = 0; k < t.k; ++k, a += kConvRows, b += kVectors * lanes) {
    V columns[kVectors];
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) columns[v] = hn::LoadU(d, b + v * lanes);
    __builtin_prefetch(a + kStepsAhead * kConvRows);
    ANEMONE_UNROLL
    for (int i = 0; i < kCount; ++i) {
      const V weight = hn::Set(d, a[i]);
      ANEMONE_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(weight, columns[v], sums[i][v]);
    }
  }
  HWY_ALIGN float block[kCount * kVectors * hn::MaxLanes(D())];
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      hn::Store(sums[i][v], d, block + (i * kVectors + v) * lanes);
    }
  }
  const int64_t width = kVectors * lanes;
  Put(t, block, width, first, rows);
}

template <int kVectors>
void Rows(const ConvTile& t) {
  for (int64_t i = 0; i < t.rows; i += kTileRows) {
    const int64_t rows = std::min<int64_t>(kTileRows, t.rows - i);
    const float* a = t.a + i / kConvRows * t.a_stride + i % kConvRows;
    if (rows <= kTileRows / 2) {
      TileOf<kTileRows / 2, kVectors>(t, a, i, rows);
    } else {
      TileOf<kTileRows, kVectors>(t, a, i, rows);
    }
  }
}

// A panel of rows of some columns: elements of a and b one by one, as both have kConvRows for each
// k.
template <int kColumns>
void SingleColumns(const ConvTile& t, int64_t row, int64_t first) {
  const D d;
  const int64_t lanes = Lanes(), size = t.k * kConvRows;
  const int64_t rows = std::min(kConvRows, t.rows - row);
  const float *a = t.a + row / kConvRows * t.a_stride, *b = t.b + first * size;
  V sums[kColumns][2];
  for (int c = 0; c < kColumns; ++c) sums[c][0] = sums[c][1] = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= size; i += 2 * lanes) {
    const V even = hn::LoadU(d, a + i), odd = hn::LoadU(d, a + i + lanes);
    __builtin_prefetch(a + i + kStepsAhead * kConvRows);
    ANEMONE_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      const float* column = b + c * size + i;
      sums[c][0] = hn::MulAdd(even, hn::LoadU(d, column), sums[c][0]);
      sums[c][1] = hn::MulAdd(odd, hn::LoadU(d, column + lanes), sums[c][1]);
    }
  }
  HWY_ALIGN float parts[2 * hn::MaxLanes(D())], block[kConvRows * hn::MaxLanes(D())];
  for (int c = 0; c < kColumns; ++c) {
    hn::Store(sums[c][0], d, parts);
    hn::Store(sums[c][1], d, parts + lanes);
    for (int64_t r = 0; r < rows; ++r) {
      float sum = 0;
      for (int64_t at = r; at < 2 * lanes; at += kConvRows) sum += parts[at];
      for (int64_t at = i + r; at < size; at += kConvRows) sum += a[at] * b[c * size + at];
      block[r * kColumns + c] = sum;
    }
  }
  ConvTile part = t;
  part.c += first;
  part.n = kColumns;
  const ConvFinish finish = t.finish ? t.finish->at(0, first) : ConvFinish();
  if (t.finish) part.finish = &finish;
  Put(part, block, kColumns, row, rows);
}

void Multiply(const ConvTile& t) {
  switch (t.vectors) {
    case 0:
      for (int64_t row = 0; row < t.rows; row += kConvRows) {
        if (t.n >= 2) SingleColumns<2>(t, row, 0);
        if (t.n >= 4) SingleColumns<2>(t, row, 2);
        if (t.n % 2 == 1) SingleColumns<1>(t, row, t.n - 1);
      }
      return;
    case 1:
      return Rows<1>(t);
    case 2:
      return Rows<2>(t);
    default:
      return Rows<3>(t);
  }
}

// --- one plane ---

template <int kVectors>
void DepthwiseAt(const float* plane, const int64_t* offsets, const float* weights, int64_t taps,
                 const ConvFinish& finish, float* out) {
  const D d;
  const int64_t lanes = Lanes();
  V sums[kVectors];
  ANEMONE_UNROLL
  for (int v = 0; v < kVectors; ++v) sums[v] = hn::Zero(d);
  for (int64_t t = 0; t < taps; ++t) {
    const V weight = hn::Set(d, weights[t]);
    const float* from = plane + offsets[t];
    ANEMONE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      sums[v] = hn::MulAdd(weight, hn::LoadU(d, from + v * lanes), sums[v]);
    }
  }
  ANEMONE_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    hn::StoreU(Finished(d, sums[v], finish, 0, nullptr), d, out + v * lanes);
  }
}

void Depthwise(const float* plane, const int64_t* offsets, const float* weights, int64_t taps,
               const ConvFinish& finish, float* out, int64_t n) {
  const int64_t lanes = Lanes();
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    DepthwiseAt<4>(plane + i, offsets, weights, taps, finish, out + i);
  }
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    DepthwiseAt<2>(plane + i, offsets, weights, taps, finish, out + i);
  }
  for (; i + lanes <= n; i += lanes) {
    DepthwiseAt<1>(plane + i, offsets, weights, taps, finish, out + i);
  }
  // Some once more, so that nothing else is written.
  if (i < n) DepthwiseAt<1>(plane + n - lanes, offsets, weights, taps, finish, out + n - lanes);
}

// --- a channel in each lane ---

// kPositions of the output at once: as many sums that do not wait for each other.
template <int kPositions, int64_t kRows, int64_t kColumns>
void LanesAt(const LaneRow& r, int64_t first) {
  const D d;
  const int64_t lanes = Lanes();
  const int64_t rows = kRows > 0 ? kRows : r.kernel_rows;
  const int64_t columns = kColumns > 0 ? kColumns : r.kernel_columns;
  V sums[kPositions];
  ANEMONE_UNROLL
  for (int p = 0; p < kPositions; ++p) sums[p] = hn::Zero(d);
  for (int64_t k = 0; k < rows; ++k) {
    const float* row = r.rows[k] + first * r.step * lanes;
    for (int64_t j = 0; j < columns; ++j) {
      const V weight = hn::LoadU(d, r.weights + (k * columns + j) * lanes);
      const float* from = row + j * r.dilation * lanes;
      ANEMONE_UNROLL
      for (int p = 0; p < kPositions; ++p) {
        sums[p] = hn::MulAdd(weight, hn::LoadU(d, from + p * r.step * lanes), sums[p]);
      }
    }
  }
  const V bias = hn::LoadU(d, r.bias);
  ConvFinish finish = *r.finish;
  finish.bias = nullptr;
  ANEMONE_UNROLL
  for (int p = 0; p < kPositions; ++p) {
    const V sum = hn::Add(sums[p], bias);
    hn::StoreU(Finished(d, sum, finish, 0, nullptr), d, r.out + (first + p) * lanes);
  }
}

template <int64_t kRows, int64_t kColumns>
void LanesBy(const LaneRow& r) {
  int64_t i = 0;
  for (; i + 6 <= r.count; i += 6) LanesAt<6, kRows, kColumns>(r, i);
  for (; i + 2 <= r.count; i += 2) LanesAt<2, kRows, kColumns>(r, i);
  for (; i < r.count; ++i) LanesAt<1, kRows, kColumns>(r, i);
}

void DepthwiseLanes(const LaneRow& r) {
  if (r.kernel_rows == 3 && r.kernel_columns == 3) return LanesBy<3, 3>(r);
  if (r.kernel_rows == 5 && r.kernel_columns == 5) return LanesBy<5, 5>(r);
  LanesBy<0, 0>(r);
}

void FinishConv(float* x, int64_t n, const ConvFinish& finish) {
  if (!finish.bias && !finish.rounds && !finish.has_limits) return;
  Each(static_cast<size_t>(n), [&](auto d, size_t i) HWY_ATTR {
    hn::StoreU(Finished(d, hn::LoadU(d, x + i), finish, 0, nullptr), d, x + i);
  });
}

void AddScaled(const float* x, float factor, float* out, int64_t n) {
  Each(static_cast<size_t>(n), [&](auto d, size_t i) HWY_ATTR {
    hn::StoreU(hn::MulAdd(hn::Set(d, factor), hn::LoadU(d, x + i), hn::LoadU(d, out + i)), d,
               out + i);
  });
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

HWY_EXPORT(Lanes);
HWY_EXPORT(Multiply);
HWY_EXPORT(Depthwise);
HWY_EXPORT(DepthwiseLanes);
HWY_EXPORT(FinishConv);
HWY_EXPORT(AddScaled);

int64_t conv_lanes() { return HWY_DYNAMIC_DISPATCH(Lanes)(); }
void conv_tile(const ConvTile& tile) { HWY_DYNAMIC_DISPATCH(Multiply)(tile); }
void depthwise(const float* plane, const int64_t* offsets, const float* weights, int64_t taps,
               const ConvFinish& finish, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(Depthwise)(plane, offsets, weights, taps, finish, out, n);
}
void depthwise_lanes(const LaneRow& row) { HWY_DYNAMIC_DISPATCH(DepthwiseLanes)(row); }
void finish_conv(float* x, int64_t n, const ConvFinish& finish) {
  HWY_DYNAMIC_DISPATCH(FinishConv)(x, n, finish);
}
void add_scaled(const float* x, float factor, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(AddScaled)(x, factor, out, n);
}

}  // namespace anemone::simd
#endif
