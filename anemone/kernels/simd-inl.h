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
#include <cmath>
#include <cstdint>
#include <limits>

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

// e^x = 2^n e^f with n = round(x / ln 2), whose exponent is written as bits; e^f - 1 - f is f²
// times a polynomial fitted to |f| <= ln(2)/2 for the least relative error (3e-9). Within 1.5 ulp;
// 0 where the result would be no normal number. In fewer instructions than Highway's, which is made
// for x up to 104 and gives 0 where x is no number.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpOf(D d, V x) {
  const hn::RebindToSigned<D> bits;
  const auto constant = [&](float value) HWY_ATTR { return hn::Set(d, value); };
  // Added to a number of up to 22 bits, this leaves its whole part in the lowest ones.
  const V shift = constant(0x1.8p23f);
  const V shifted = hn::MulAdd(x, constant(0x1.715476p0f), shift);
  const V n = hn::Sub(shifted, shift);
  // ln 2 in two parts: n times the first is exact.
  const V f =
      hn::NegMulAdd(n, constant(0x1.7f7d1cp-20f), hn::NegMulAdd(n, constant(0x1.62e4p-1f), x));
  V e = hn::MulAdd(f, constant(0x1.6a23cep-10f), constant(0x1.123a2p-7f));
  e = hn::MulAdd(f, e, constant(0x1.5558f2p-5f));
  e = hn::MulAdd(f, e, constant(0x1.555492p-3f));
  e = hn::MulAdd(f, e, constant(0x1.fffffcp-2f));
  e = hn::MulAdd(f, hn::MulAdd(f, e, constant(1)), constant(1));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(bits, shifted));
  e = hn::BitCast(d, hn::Add(hn::BitCast(bits, e), exponent));
  constexpr float kLeast = -0x1.5d589ep6f, kMost = 0x1.62e42ep6f;
  e = hn::IfThenElseZero(hn::Ge(x, constant(kLeast)), e);
  // Infinity, or no number.
  return hn::IfThenElse(hn::Le(x, constant(kMost)), e, hn::Mul(x, constant(INFINITY)));
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

// The nearest fp16 number, as fp32. By magic numbers rather than conversion, which some targets do
// one element at a time: adding and taking away 1.5 * 2^(e+13) rounds to the last place of fp16 at
// exponent e, which is at least that of subnormals.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V RoundToHalf(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto exponent = hn::And(hn::BitCast(di, x), hn::Set(di, 0x7F800000));
  const auto lowest = hn::Set(di, (127 - 14) << 23);
  const auto bits = hn::Add(hn::Max(exponent, lowest), hn::Set(di, 13 << 23));
  const V magic = hn::Mul(hn::BitCast(d, bits), hn::Set(d, 1.5f));
  const V rounded = hn::Sub(hn::Add(x, magic), magic);
  const V sign = hn::And(x, hn::BitCast(d, hn::Set(di, INT32_MIN)));
  const V infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  const V large = hn::Or(infinity, sign);
  const auto beyond = hn::Ge(hn::Abs(x), hn::Set(d, 65520.0f));
  const V finite = hn::Or(hn::Abs(rounded), sign);
  return hn::IfThenElse(hn::IsNaN(x), x, hn::IfThenElse(beyond, large, finite));
}

// minimum(maximum(x, low), high) as base/arithmetic.h has them. Not by Min and Max: what these give
// for NaN and for -0 depends on the processor. Of zeros, +0 is the larger.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Limited(D d, V x, float low, float high) {
  constexpr float kLeast = std::numeric_limits<float>::denorm_min();
  const float below = low == 0 && !std::signbit(low) ? kLeast : low;
  const float above = high == 0 && std::signbit(high) ? -kLeast : high;
  x = hn::IfThenElse(hn::Lt(x, hn::Set(d, below)), hn::Set(d, low), x);
  return hn::IfThenElse(hn::Gt(x, hn::Set(d, above)), hn::Set(d, high), x);
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
