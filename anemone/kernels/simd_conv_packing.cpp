#include <algorithm>

#include "anemone/kernels/simd_conv.h"
#include "anemone/kernels/tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_conv_packing.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

HWY_INLINE int64_t VectorLanes() { return static_cast<int64_t>(hn::Lanes(D())); }

#if HWY_TARGET != HWY_SCALAR
// Every other number, of which the one behind the last is not read.
HWY_INLINE void CopyEven(const float* from, int64_t count, float* to) {
  const D d;
  const int64_t lanes = VectorLanes();
  int64_t i = 0;
  for (; i + lanes < count; i += lanes) {
    const V low = hn::LoadU(d, from + 2 * i), high = hn::LoadU(d, from + 2 * i + lanes);
    hn::StoreU(hn::ConcatEven(d, high, low), d, to + i);
  }
  if (count >= lanes) {
    i = count - lanes;
    const V low = hn::LoadU(d, from + 2 * i), high = hn::LoadU(d, from + 2 * i + lanes - 1);
    const V even = hn::ConcatEven(d, low, low), odd = hn::ConcatOdd(d, high, high);
    hn::StoreU(hn::ConcatLowerLower(d, odd, even), d, to + i);
    return;
  }
  for (; i < count; ++i) to[i] = from[2 * i];
}
#else
HWY_INLINE void CopyEven(const float* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = from[2 * i];
}
#endif

// Whole vectors.
HWY_INLINE void CopyBeyond(const float* from, int64_t count, float* to) {
  const D d;
  for (int64_t i = 0; i < count; i += VectorLanes()) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
}

HWY_INLINE void FillBeyond(float value, int64_t count, float* to) {
  const D d;
  for (int64_t i = 0; i < count; i += VectorLanes()) hn::StoreU(hn::Set(d, value), d, to + i);
}

// Rows after which nothing is left to be written over are copied exactly.
void CopyRows(const float* from, int64_t from_stride, int64_t width, int64_t rows, float* to,
              int64_t to_stride) {
  for (int64_t row = 0; row < rows; ++row, from += from_stride, to += to_stride) {
    if ((rows - row) * to_stride >= width + VectorLanes()) {
      CopyBeyond(from, width, to);
    } else {
      std::copy_n(from, width, to);
    }
  }
}

// One row of what is left to split; `columns` [first, last) are inside the image.
HWY_INLINE void SplitRow(const RowsToSplit& s, int64_t y, int64_t first, int64_t last, bool exactly,
                         float* to) {
  if (exactly) std::fill_n(to, s.columns, s.outside);
  if (last > first) {
    const int64_t count = last - first, start = first * s.step + s.x;
    const float* from = s.image + y * s.width + start;
    if (s.step == 2) {
      CopyEven(from, count, to + first);
    } else if (s.step > 2) {
      for (int64_t j = 0; j < count; ++j) to[first + j] = from[j * s.step];
    } else if (exactly || (s.height - y) * s.width < start + count + VectorLanes()) {
      std::copy_n(from, count, to + first);
    } else {
      CopyBeyond(from, count, to + first);
    }
  }
  // And what is outside before the next row.
  if (!exactly) FillBeyond(s.outside, s.columns - last + first, to + last);
}

// What is written beyond a row is written again with the next one.
void SplitRows(const RowsToSplit& s, float* to) {
  // x = j * step + start is inside for j in [first, last).
  const int64_t first = std::min(s.x < 0 ? (-s.x + s.step - 1) / s.step : 0, s.columns);
  const int64_t last = std::clamp<int64_t>((s.width - s.x + s.step - 1) / s.step, first, s.columns);
  const int64_t beyond = s.columns + first + VectorLanes();
  if (s.rows * s.columns >= beyond) FillBeyond(s.outside, first, to);
  for (int64_t row = 0; row < s.rows; ++row, to += s.columns) {
    const int64_t y = row * s.step_y + s.y;
    const bool is_inside = s.image && y >= 0 && y < s.height;
    SplitRow(s, y, first, is_inside ? last : first, (s.rows - row) * s.columns < beyond, to);
  }
}

// What a vector of columns is made of: lane i of its j-th source lies at image[from[j] + i] for the
// lanes up to end[j].
constexpr int kMostSources = 16;
struct VectorSources {
  int count = 0;
  int64_t from[kMostSources];
  size_t end[kMostSources];
};

// kCount sources, the last of which may be read beyond what it has.
template <int kCount>
void PackVector(const PanelSource& s, const VectorSources& sources, int64_t k, int64_t k_end,
                int64_t width, float* to) {
  const D d;
  hn::Mask<D> first[kCount];
  for (int j = 0; j < kCount; ++j) first[j] = hn::FirstN(d, sources.end[j]);
  int64_t tap = k % s.taps;
  const float* plane = s.image + k / s.taps * s.plane;
  for (; k < k_end; ++k, to += width) {
    const float* from = plane + s.offsets[tap];
    V x = hn::LoadU(d, from + sources.from[kCount - 1]);
    ANEMONE_UNROLL
    for (int j = kCount - 2; j >= 0; --j) {
      x = hn::IfThenElse(first[j], hn::LoadU(d, from + sources.from[j]), x);
    }
    hn::Store(x, d, to);
    if (++tap == s.taps) {
      tap = 0;
      plane += s.plane;
    }
  }
}

// The same for any number of sources, reading nothing else.
void PackVectorExactly(const PanelSource& s, const VectorSources& sources, int64_t k, int64_t k_end,
                       int64_t width, float* to) {
  for (; k < k_end; ++k, to += width) {
    const float* from = s.image + k / s.taps * s.plane + s.offsets[k % s.taps];
    size_t lane = 0;
    for (int j = 0; j < sources.count; ++j) {
      for (; lane < sources.end[j]; ++lane) {
        to[lane] = from[sources.from[j] + static_cast<int64_t>(lane)];
      }
    }
  }
}

void PackAnyVector(const PanelSource& s, const VectorSources& sources, int64_t k, int64_t k_end,
                   int64_t width, float* to) {
  // From here on a whole vector is not there.
  int64_t safe = k_end;
  const int64_t last = sources.from[sources.count - 1] + VectorLanes();
  while (safe > k &&
         s.image + (safe - 1) / s.taps * s.plane + s.offsets[(safe - 1) % s.taps] + last > s.end) {
    --safe;
  }
  const auto pack = [&](auto pack_some) { pack_some(s, sources, k, safe, width, to); };
  switch (sources.count) {
    case 1:
      pack(PackVector<1>);
      break;
    case 2:
      pack(PackVector<2>);
      break;
    case 3:
      pack(PackVector<3>);
      break;
    case 4:
      pack(PackVector<4>);
      break;
    default:
      return PackVectorExactly(s, sources, k, k_end, width, to);
  }
  PackVectorExactly(s, sources, safe, k_end, width, to + (safe - k) * width);
}

// A vector after another, each for all of the sum: what it is made of is looked up once.
void PackColumns(const PanelSource& s, int64_t k, int64_t k_end, int64_t width, float* to) {
  const int64_t lanes = VectorLanes();
  VectorSources sources;
  int64_t lane = 0, at = 0;
  for (size_t r = 0; r < s.count; ++r) {
    for (int64_t taken = 0; taken < s.runs[r].count;) {
      const int64_t count = std::min(lanes - lane, s.runs[r].count - taken);
      sources.from[sources.count] = s.runs[r].from + taken - lane;
      lane += count;
      taken += count;
      sources.end[sources.count++] = static_cast<size_t>(lane);
      const bool is_last = r + 1 == s.count && taken == s.runs[r].count;
      if (lane < lanes && !is_last) continue;
      PackAnyVector(s, sources, k, k_end, width, to + at);
      at += lanes;
      lane = 0;
      sources.count = 0;
    }
  }
}

void PackSingleColumns(const PanelSource& s, int64_t k, int64_t k_end, float* to) {
  for (size_t r = 0; r < s.count; ++r) {
    for (int64_t column = 0; column < s.runs[r].count; ++column) {
      for (int64_t at = k; at < k_end; ++at, to += kConvRows) {
        const float* plane = s.image + at / s.taps * s.plane;
        std::fill_n(to, kConvRows, plane[s.offsets[at % s.taps] + s.runs[r].from + column]);
      }
    }
  }
}

#if HWY_TARGET != HWY_SCALAR
// Four of k by four columns.
HWY_INLINE void TransposeFour(const float* const* columns, int64_t k, int64_t width, float* to) {
  const hn::CappedTag<float, 4> d;
  const auto row = [&](int64_t i) HWY_ATTR { return hn::LoadU(d, columns[i] + k); };
  const auto a = row(0), b = row(1), c = row(2), e = row(3);
  const auto ac_low = hn::InterleaveLower(d, a, c), ac_high = hn::InterleaveUpper(d, a, c);
  const auto be_low = hn::InterleaveLower(d, b, e), be_high = hn::InterleaveUpper(d, b, e);
  hn::StoreU(hn::InterleaveLower(d, ac_low, be_low), d, to);
  hn::StoreU(hn::InterleaveUpper(d, ac_low, be_low), d, to + width);
  hn::StoreU(hn::InterleaveLower(d, ac_high, be_high), d, to + 2 * width);
  hn::StoreU(hn::InterleaveUpper(d, ac_high, be_high), d, to + 3 * width);
}
constexpr int64_t kBlock = 4;
#else
HWY_INLINE void TransposeFour(const float* const*, int64_t, int64_t, float*) {}
constexpr int64_t kBlock = INT64_MAX;
#endif

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kSide = 16;

// A square: in each of four passes the lowest bit of the row's number and that of the column's
// change places and go to the top, so that behind the last one all have.
HWY_INLINE void TransposeSquare(const float* const* columns, int64_t k, int64_t width, float* to) {
  const hn::CappedTag<float, kSide> d;
  hn::Vec<decltype(d)> a[kSide], b[kSide];
  const auto pass = [&](const auto* from, auto* into) HWY_ATTR {
    ANEMONE_UNROLL
    for (int i = 0; i < kSide / 2; ++i) {
      into[i] = hn::ConcatEven(d, from[2 * i + 1], from[2 * i]);
      into[i + kSide / 2] = hn::ConcatOdd(d, from[2 * i + 1], from[2 * i]);
    }
  };
  ANEMONE_UNROLL
  for (int i = 0; i < kSide; ++i) a[i] = hn::LoadU(d, columns[i] + k);
  pass(a, b);
  pass(b, a);
  pass(a, b);
  pass(b, a);
  ANEMONE_UNROLL
  for (int i = 0; i < kSide; ++i) hn::StoreU(a[i], d, to + i * width);
}

// As many whole squares as there are; returns the columns done.
int64_t TransposeSquares(const float* const* columns, int64_t n, int64_t count, int64_t width,
                         float* to) {
  int64_t column = 0;
  for (; count >= kSide && column + kSide <= n; column += kSide) {
    for (int64_t k = 0; k < count; k += kSide) {
      const int64_t at = std::min(k, count - kSide);  // the last ones once more
      TransposeSquare(columns + column, at, width, to + at * width + column);
    }
  }
  return column;
}
#else
int64_t TransposeSquares(const float* const*, int64_t, int64_t, int64_t, float*) { return 0; }
#endif

void TransposeColumns(const float* const* columns, int64_t n, int64_t count, int64_t width,
                      float* to) {
  int64_t column = TransposeSquares(columns, n, count, width, to);
  for (; count >= kBlock && column + kBlock <= n; column += kBlock) {
    int64_t k = 0;
    for (; k + kBlock <= count; k += kBlock) {
      TransposeFour(columns + column, k, width, to + k * width + column);
    }
    // The last ones with some that are there already.
    if (k < count) {
      k = count - kBlock;
      TransposeFour(columns + column, k, width, to + k * width + column);
    }
  }
  for (; column < n; ++column) {
    for (int64_t k = 0; k < count; ++k) to[k * width + column] = columns[column][k];
  }
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

HWY_EXPORT(CopyRows);
HWY_EXPORT(SplitRows);
HWY_EXPORT(PackColumns);
HWY_EXPORT(TransposeColumns);
HWY_EXPORT(PackSingleColumns);

void copy_rows(const float* from, int64_t from_stride, int64_t width, int64_t rows, float* to,
               int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(CopyRows)(from, from_stride, width, rows, to, to_stride);
}
void split_rows(const RowsToSplit& rows, float* to) { HWY_DYNAMIC_DISPATCH(SplitRows)(rows, to); }
void pack_columns(const PanelSource& source, int64_t k, int64_t k_end, int64_t width, float* to) {
  HWY_DYNAMIC_DISPATCH(PackColumns)(source, k, k_end, width, to);
}
void transpose_columns(const float* const* columns, int64_t n, int64_t count, int64_t width,
                       float* to) {
  HWY_DYNAMIC_DISPATCH(TransposeColumns)(columns, n, count, width, to);
}
void pack_single_columns(const PanelSource& source, int64_t k, int64_t k_end, float* to) {
  HWY_DYNAMIC_DISPATCH(PackSingleColumns)(source, k, k_end, to);
}

}  // namespace anemone::simd
#endif
