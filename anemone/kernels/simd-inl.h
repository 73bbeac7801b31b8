// What the vector loops share, compiled once for every instruction set (Highway's way: no ordinary
// include guard, for every target includes it again).
#if defined(ANEMONE_KERNELS_SIMD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANEMONE_KERNELS_SIMD_INL_H
#undef ANEMONE_KERNELS_SIMD_INL_H
#else
#define ANEMONE_KERNELS_SIMD_INL_H
#endif

#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Calls f(tag, i) for whole vectors from i on, then for four elements, then for one at a
// time: nothing outside [0, n) is touched, which masked stores do not promise on every target.
template <typename F>
HWY_INLINE void Each(size_t n, const F& f) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 4> quarter;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) f(d, i);
  if (hn::Lanes(quarter) < hn::Lanes(d)) {
    for (; i + hn::Lanes(quarter) <= n; i += hn::Lanes(quarter)) f(quarter, i);
  }
  for (; i < n; ++i) f(hn::CappedTag<float, 1>(), i);
}

// e^x. Highway's own is made for x up to 104 (beyond 177 it returns anything) and gives 0 where x
// is no number.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpOf(D d, V x) {
  const V exponential = hn::Exp(d, hn::Min(x, hn::Set(d, 100.0f)));  // e^100 overflows to infinity
  return hn::IfThenElse(hn::IsNaN(x), x, exponential);
}

// The logarithm; Highway's gives a number where x is none.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V LogOf(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Log(d, x));
}

// Highway's gives -1 where x is no number.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TanhOf(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Tanh(d, x));
}

// The nearest bf16 number, ties to even; what is no number stays none.
template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF RoundToBf16(DF d, VF x) {
  const hn::RebindToUnsigned<DF> du;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFF)));
  const VF result = hn::BitCast(d, hn::And(rounded, hn::Set(du, 0xFFFF0000u)));
  return hn::IfThenElse(hn::IsNaN(x), x, result);
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
