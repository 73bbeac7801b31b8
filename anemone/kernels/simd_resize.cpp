#include "anemone/kernels/simd_resize.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_resize.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

// The first of a vector of elements that holds all which `lanes` numbers from i on are made of, if
// there is one: then they are taken from one load.
HWY_INLINE bool HaveOneVector(const int32_t* low, size_t i, size_t lanes, size_t width, bool pairs,
                              size_t& first) {
  first = std::min(static_cast<size_t>(low[i]), width - lanes);
  const size_t last = static_cast<size_t>(low[i + lanes - 1]) + (pairs ? 1 : 0);
  return std::min(last, width - 1) < first + lanes;
}

// Calls f(tag, i) for whole vectors of [0, n), the last of which may begin in the one before it,
// where x and n have a vector of some size; else each(0, n).
template <typename F, typename Rest>
HWY_INLINE void OverVectors(size_t width, size_t n, const F& f, const Rest& each) {
  const auto all = [&](auto d) HWY_ATTR {
    const size_t lanes = hn::Lanes(d);
    for (size_t i = 0; i + lanes <= n; i += lanes) f(d, i);
    if (n % lanes != 0) f(d, n - lanes);
  };
  const hn::ScalableTag<float> whole;
  const hn::CappedTag<float, 8> half;
  const hn::CappedTag<float, 4> quarter;
  const size_t least = std::min(width, n);
  if (least >= hn::Lanes(whole)) return all(whole);
  if (least >= hn::Lanes(half)) return all(half);
  if (least >= hn::Lanes(quarter)) return all(quarter);
  each(0, n);
}

void PickColumns(const float* x, size_t width, const int32_t* low, float* out, size_t n) {
  const auto each = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) out[i] = x[low[i]];
  };
  const auto vector = [&](auto d, size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> di;
    size_t first;
    if (!HaveOneVector(low, i, hn::Lanes(d), width, false, first)) {
      return each(i, i + hn::Lanes(d));
    }
    const auto at = hn::Sub(hn::LoadU(di, low + i), hn::Set(di, static_cast<int32_t>(first)));
    const auto elements = hn::LoadU(d, x + first);
    hn::StoreU(hn::TableLookupLanes(elements, hn::IndicesFromVec(d, at)), d, out + i);
  };
  OverVectors(width, n, vector, each);
}

void InterpolateColumns(const float* x, size_t width, const RowTaps& taps, float* out, size_t n) {
  const auto each = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const float *element = x + taps.low[i], part = taps.part[i];
      out[i] = part == 0 ? element[0] : taps.kept[i] * element[0] + part * element[1];
    }
  };
  const auto vector = [&](auto d, size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> di;
    size_t first;
    if (!HaveOneVector(taps.low, i, hn::Lanes(d), width, true, first)) {
      return each(i, i + hn::Lanes(d));
    }
    const auto at = hn::Sub(hn::LoadU(di, taps.low + i), hn::Set(di, static_cast<int32_t>(first)));
    // Beyond the last one where its part is 0.
    const auto most = hn::Set(di, static_cast<int32_t>(hn::Lanes(d)) - 1);
    const auto after = hn::Min(hn::Add(at, hn::Set(di, 1)), most);
    const auto elements = hn::LoadU(d, x + first);
    const auto a = hn::TableLookupLanes(elements, hn::IndicesFromVec(d, at));
    const auto b = hn::TableLookupLanes(elements, hn::IndicesFromVec(d, after));
    const auto part = hn::LoadU(d, taps.part + i);
    const auto both = hn::MulAdd(part, b, hn::Mul(hn::LoadU(d, taps.kept + i), a));
    hn::StoreU(hn::IfThenElse(hn::Eq(part, hn::Zero(d)), a, both), d, out + i);
  };
  OverVectors(width, n, vector, each);
}

void BlendRows(const float* a, const float* b, float kept, float part, float* out, size_t n) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    const auto first = hn::Mul(hn::Set(d, kept), hn::LoadU(d, a + i));
    hn::StoreU(hn::MulAdd(hn::Set(d, part), hn::LoadU(d, b + i), first), d, out + i);
  });
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

HWY_EXPORT(PickColumns);
HWY_EXPORT(InterpolateColumns);
HWY_EXPORT(BlendRows);

void pick_columns(const float* x, size_t width, const int32_t* low, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(PickColumns)(x, width, low, out, n);
}
void interpolate_columns(const float* x, size_t width, const RowTaps& taps, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(InterpolateColumns)(x, width, taps, out, n);
}
void blend_rows(const float* a, const float* b, float kept, float part, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(BlendRows)(a, b, kept, part, out, n);
}

}  // namespace anemone::simd
#endif
