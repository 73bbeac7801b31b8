#include "anemone/kernels/simd_recurrent.h"

#include <algorithm>

#include "anemone/kernels/tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_recurrent.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

using GateTag = hn::CappedTag<float, kGroupColumns>;
using GateVector = hn::Vec<GateTag>;

// Rows whose sums stay in registers: there are 32 of them, or 16.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
constexpr int64_t kMostRows = 2;
#else
constexpr int64_t kMostRows = 6;
#endif

// A part of a group's sums; through memory where the group ends in it.
HWY_INLINE GateVector LoadPart(const ColumnGroup& group, int64_t row, int64_t at) {
  const GateTag d;
  const int64_t left = group.count - at;
  if (left >= static_cast<int64_t>(hn::Lanes(d))) return hn::LoadU(d, group.sums + row + at);
  HWY_ALIGN float part[kGroupColumns] = {};
  for (int64_t i = 0; i < left; ++i) part[i] = group.sums[row + at + i];
  return hn::Load(d, part);
}
HWY_INLINE void StorePart(GateVector sums, const ColumnGroup& group, int64_t row, int64_t at) {
  const GateTag d;
  const int64_t left = group.count - at;
  if (left >= static_cast<int64_t>(hn::Lanes(d))) {
    hn::StoreU(sums, d, group.sums + row + at);
    return;
  }
  HWY_ALIGN float part[kGroupColumns];
  hn::Store(sums, d, part);
  for (int64_t i = 0; i < left; ++i) group.sums[row + at + i] = part[i];
}

// Rows from `first` on, a vector of each group at a time.
template <int64_t kRows>
void RowsOfPanel(const PanelProduct& p, int64_t first) {
  const GateTag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t at = 0; at < kGroupColumns; at += lanes) {
    GateVector sums[kRows][kGateGroups];
    ANEMONE_UNROLL
    for (int64_t i = 0; i < kRows; ++i) {
      ANEMONE_UNROLL
      for (int64_t g = 0; g < kGateGroups; ++g) {
        sums[i][g] = LoadPart(p.groups[g], (first + i) * p.sums_stride, at);
      }
    }
    const float* HWY_RESTRICT panel = p.panel + at;
    const float* HWY_RESTRICT a = p.a + first * p.a_stride;
    for (int64_t k = 0; k < p.inner; ++k, panel += kGatePanel) {
      const GateVector w0 = hn::Load(d, panel), w1 = hn::Load(d, panel + kGroupColumns);
      const GateVector w2 = hn::Load(d, panel + 2 * kGroupColumns);
      const GateVector w3 = hn::Load(d, panel + 3 * kGroupColumns);
      ANEMONE_UNROLL
      for (int64_t i = 0; i < kRows; ++i) {
        const GateVector value = hn::Set(d, a[i * p.a_stride + k]);
        sums[i][0] = hn::MulAdd(value, w0, sums[i][0]);
        sums[i][1] = hn::MulAdd(value, w1, sums[i][1]);
        sums[i][2] = hn::MulAdd(value, w2, sums[i][2]);
        sums[i][3] = hn::MulAdd(value, w3, sums[i][3]);
      }
    }
    ANEMONE_UNROLL
    for (int64_t i = 0; i < kRows; ++i) {
      ANEMONE_UNROLL
      for (int64_t g = 0; g < kGateGroups; ++g) {
        StorePart(sums[i][g], p.groups[g], (first + i) * p.sums_stride, at);
      }
    }
  }
}

void AddPanelProduct(const PanelProduct& p) {
  int64_t row = 0;
  for (; row + kMostRows <= p.rows; row += kMostRows) RowsOfPanel<kMostRows>(p, row);
  if constexpr (kMostRows > 4) {
    if (row + 4 <= p.rows) {
      RowsOfPanel<4>(p, row);
      row += 4;
    }
  }
  if constexpr (kMostRows > 2) {
    if (row + 2 <= p.rows) {
      RowsOfPanel<2>(p, row);
      row += 2;
    }
  }
  if (row < p.rows) RowsOfPanel<1>(p, row);
}

void AddProducts(const float* a, const float* b, float* out, int64_t n) {
  Each(static_cast<size_t>(n), [&](auto d, size_t i) HWY_ATTR {
    const auto sum = hn::LoadU(d, out + i);
    hn::StoreU(hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum), d, out + i);
  });
}

void TwoProducts(const float* a, const float* b, const float* c, const float* e, float* out,
                 int64_t n) {
  Each(static_cast<size_t>(n), [&](auto d, size_t i) HWY_ATTR {
    const auto first = hn::Mul(hn::LoadU(d, a + i), hn::LoadU(d, b + i));
    hn::StoreU(hn::MulAdd(hn::LoadU(d, c + i), hn::LoadU(d, e + i), first), d, out + i);
  });
}

void MixStates(const float* kept, const float* fresh, const float* old, float* out, int64_t n) {
  Each(static_cast<size_t>(n), [&](auto d, size_t i) HWY_ATTR {
    const auto part = hn::LoadU(d, kept + i);
    const auto from_fresh = hn::Mul(hn::Sub(hn::Set(d, 1.0f), part), hn::LoadU(d, fresh + i));
    hn::StoreU(hn::MulAdd(part, hn::LoadU(d, old + i), from_fresh), d, out + i);
  });
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

HWY_EXPORT(AddPanelProduct);
HWY_EXPORT(AddProducts);
HWY_EXPORT(TwoProducts);
HWY_EXPORT(MixStates);

void add_panel_product(const PanelProduct& product) {
  HWY_DYNAMIC_DISPATCH(AddPanelProduct)(product);
}
void add_products(const float* a, const float* b, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(AddProducts)(a, b, out, n);
}
void two_products(const float* a, const float* b, const float* c, const float* d, float* out,
                  int64_t n) {
  HWY_DYNAMIC_DISPATCH(TwoProducts)(a, b, c, d, out, n);
}
void mix_states(const float* kept, const float* fresh, const float* old, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(MixStates)(kept, fresh, old, out, n);
}

}  // namespace anemone::simd
#endif
