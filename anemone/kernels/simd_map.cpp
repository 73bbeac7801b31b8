#include "anemone/kernels/simd_map.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_map.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

// out[i] = f(x[i]) and out[i] = f(a[i], b[i])
template <typename F>
HWY_INLINE void Map(const float* x, float* out, size_t n, const F& f) {
  Each(n, [&](auto d, size_t i) HWY_ATTR { hn::StoreU(f(d, hn::LoadU(d, x + i)), d, out + i); });
}
template <typename F>
HWY_INLINE void Zip(const float* a, const float* b, float* out, size_t n, const F& f) {
  Each(n, [&](auto d, size_t i)
              HWY_ATTR { hn::StoreU(f(d, hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i); });
}

// Of equal ones +0 rather than -0; of the smaller -0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V LargerOf(D, V a, V b) {
  const V equal = hn::IfThenElse(hn::Eq(a, b), hn::And(a, b), b);
  return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::Gt(a, b), a, equal));
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SmallerOf(D, V a, V b) {
  const V equal = hn::IfThenElse(hn::Eq(a, b), hn::Or(a, b), b);
  return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::Lt(a, b), a, equal));
}

void Div(const float* a, const float* b, float* out, size_t n) {
  Zip(a, b, out, n, [](auto, auto x, auto y) HWY_ATTR { return hn::Div(x, y); });
}
void Maximum(const float* a, const float* b, float* out, size_t n) {
  Zip(a, b, out, n, [](auto d, auto x, auto y) HWY_ATTR { return LargerOf(d, x, y); });
}
void Minimum(const float* a, const float* b, float* out, size_t n) {
  Zip(a, b, out, n, [](auto d, auto x, auto y) HWY_ATTR { return SmallerOf(d, x, y); });
}

void Limit(const float* x, float low, float high, float* out, size_t n) {
  Map(x, out, n, [=](auto d, auto v) HWY_ATTR { return Limited(d, v, low, high); });
}
void Linear(const float* x, float a, float b, float* out, size_t n) {
  Map(x, out, n,
      [=](auto d, auto v) HWY_ATTR { return hn::Add(hn::Mul(hn::Set(d, a), v), hn::Set(d, b)); });
}
void Linear01(const float* x, float a, float b, float* out, size_t n) {
  Map(x, out, n, [=](auto d, auto v) HWY_ATTR {
    return Limited(d, hn::Add(hn::Mul(hn::Set(d, a), v), hn::Set(d, b)), 0.0f, 1.0f);
  });
}
void Leaky(const float* x, float a, float most, float* out, size_t n) {
  Map(x, out, n, [=](auto d, auto v) HWY_ATTR {
    const auto y = hn::IfThenElse(hn::Lt(v, hn::Zero(d)), hn::Mul(hn::Set(d, a), v), v);
    return SmallerOf(d, y, hn::Set(d, most));
  });
}

// e^x - 1 for x <= 0; by its series where the difference would lose digits.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpMinusOne(D d, V x) {
  V series = hn::MulAdd(x, hn::Set(d, 1.0f / 120), hn::Set(d, 1.0f / 24));
  series = hn::MulAdd(x, series, hn::Set(d, 1.0f / 6));
  series = hn::MulAdd(x, series, hn::Set(d, 0.5f));
  series = hn::Mul(x, hn::MulAdd(x, series, hn::Set(d, 1.0f)));  // -0 stays what it is
  const V difference = hn::Sub(ExpOf(d, x), hn::Set(d, 1.0f));
  return hn::IfThenElse(hn::Gt(x, hn::Set(d, -0.125f)), series, difference);
}

void Elu(const float* x, float a, float, float* out, size_t n) {
  Map(x, out, n, [=](auto d, auto v) HWY_ATTR {
    return hn::IfThenElse(hn::Gt(v, hn::Zero(d)), v, hn::Mul(hn::Set(d, a), ExpMinusOne(d, v)));
  });
}

// 1 - erf(x) for x >= 0: t e^(-x² + p(t)) with t = 1 / (1 + x/2), where p is a polynomial fitted to
// log(erfc(x) e^(x²) / t) for x <= 13, to within 1.4e-8.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ErfcOf(D d, V x) {
  const auto constant = [&](double value)
                            HWY_ATTR { return hn::Set(d, static_cast<float>(value)); };
  const V t = hn::Div(constant(1), hn::MulAdd(x, constant(0.5), constant(1)));
  V p = constant(-0.12103412652751618);
  for (double c : {0.8479556503192447, -2.4654941200984113, 3.757224148804859, -3.098056024304505,
                   1.38450896364201, -0.5943161527182904, 0.19356167489198428, 0.3600556595406925,
                   1.0011439866778546, -1.265549653391458}) {
    p = hn::MulAdd(p, t, constant(c));
  }
  return hn::Mul(t, ExpOf(d, hn::NegMulAdd(x, x, p)));
}

// The Maclaurin series where |x| < 1/2, else from erfc.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ErfOf(D d, V x) {
  const auto constant = [&](double value)
                            HWY_ATTR { return hn::Set(d, static_cast<float>(value)); };
  constexpr double kFactor = 1.1283791670955126;  // 2 / √π
  const V square = hn::Mul(x, x), size = hn::Abs(x);
  V series = constant(-kFactor / 1320);
  for (double c : {kFactor / 216, -kFactor / 42, kFactor / 10, -kFactor / 3, kFactor}) {
    series = hn::MulAdd(series, square, constant(c));
  }
  const V large = hn::CopySignToAbs(hn::Sub(constant(1), ErfcOf(d, size)), x);
  const V y = hn::IfThenElse(hn::Lt(size, constant(0.5)), hn::Mul(x, series), large);
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

void Erf(const float* x, float, float, float* out, size_t n) {
  Map(x, out, n, [](auto d, auto v) HWY_ATTR { return ErfOf(d, v); });
}
void Gelu(const float* x, float, float, float* out, size_t n) {
  Map(x, out, n, [](auto d, auto v) HWY_ATTR {
    const auto half = hn::Set(d, 0.5f), two = hn::Set(d, 2.0f);
    const auto tail = ErfcOf(d, hn::Mul(hn::Abs(v), hn::Set(d, 0.70710678f)));
    const auto twice = hn::IfThenElse(hn::Lt(v, hn::Zero(d)), tail, hn::Sub(two, tail));
    return hn::Mul(hn::Mul(v, half), twice);
  });
}
void GeluTanh(const float* x, float, float, float* out, size_t n) {
  Map(x, out, n, [](auto d, auto v) HWY_ATTR {
    const auto one = hn::Set(d, 1.0f);
    const auto inner = hn::MulAdd(hn::Mul(v, v), hn::Set(d, 0.044715f), one);
    const auto t = TanhOf(d, hn::Mul(hn::Mul(v, inner), hn::Set(d, 0.79788456f)));
    return hn::Mul(hn::Mul(v, hn::Set(d, 0.5f)), hn::Add(one, t));
  });
}
void GeluSigmoid(const float* x, float, float, float* out, size_t n) {
  Map(x, out, n, [](auto d, auto v) HWY_ATTR {
    const auto e = ExpOf(d, hn::Mul(v, hn::Set(d, -1.702f)));
    return hn::Mul(v, hn::Div(hn::Set(d, 1.0f), hn::Add(hn::Set(d, 1.0f), e)));
  });
}
void Square(const float* x, float, float, float* out, size_t n) {
  Map(x, out, n, [](auto, auto v) HWY_ATTR { return hn::Mul(v, v); });
}
void Sqrt(const float* x, float, float, float* out, size_t n) {
  Map(x, out, n, [](auto, auto v) HWY_ATTR { return hn::Sqrt(v); });
}
void Abs(const float* x, float, float, float* out, size_t n) {
  Map(x, out, n, [](auto, auto v) HWY_ATTR { return hn::Abs(v); });
}
void Rsqrt(const float* x, float epsilon, float, float* out, size_t n) {
  Map(x, out, n, [=](auto d, auto v) HWY_ATTR {
    return hn::Div(hn::Set(d, 1.0f), hn::Sqrt(hn::Add(v, hn::Set(d, epsilon))));
  });
}
void Inverse(const float* x, float epsilon, float, float* out, size_t n) {
  Map(x, out, n, [=](auto d, auto v) HWY_ATTR {
    return hn::Div(hn::Set(d, 1.0f), hn::Add(v, hn::Set(d, epsilon)));
  });
}

// --- rows ---

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Four sums of vectors and one of what is left.
template <typename F>
HWY_INLINE float SumBy(const float* x, size_t n, const F& f) {
  const D d;
  const hn::CappedTag<float, 1> one;
  const size_t lanes = hn::Lanes(d);
  V sums[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    for (size_t s = 0; s < 4; ++s) {
      sums[s] = hn::Add(sums[s], f(d, hn::LoadU(d, x + i + s * lanes)));
    }
  }
  for (; i + lanes <= n; i += lanes) sums[0] = hn::Add(sums[0], f(d, hn::LoadU(d, x + i)));
  float rest = 0;
  for (; i < n; ++i) rest += hn::GetLane(f(one, hn::LoadU(one, x + i)));
  const V all = hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
  return hn::GetLane(hn::SumOfLanes(d, all)) + rest;
}

float SumOf(const float* x, size_t n) {
  return SumBy(x, n, [](auto, auto v) HWY_ATTR { return v; });
}
float SumOfSquaresFrom(const float* x, float mean, size_t n) {
  return SumBy(x, n, [=](auto d, auto v) HWY_ATTR {
    const auto difference = hn::Sub(v, hn::Set(d, mean));
    return hn::Mul(difference, difference);
  });
}

// Folds by a function of two vectors.
template <typename F>
HWY_INLINE float Extreme(const float* x, size_t n, const F& f) {
  const D d;
  const hn::CappedTag<float, 1> one;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  auto most = hn::Set(one, x[0]);
  if (n >= lanes) {
    V wide = hn::LoadU(d, x);
    for (i = lanes; i + lanes <= n; i += lanes) wide = f(d, wide, hn::LoadU(d, x + i));
    HWY_ALIGN float numbers[hn::MaxLanes(D())];
    hn::Store(wide, d, numbers);
    for (size_t lane = 0; lane < lanes; ++lane) {
      most = f(one, most, hn::LoadU(one, numbers + lane));
    }
  }
  for (; i < n; ++i) most = f(one, most, hn::LoadU(one, x + i));
  return hn::GetLane(most);
}

float LargestOf(const float* x, size_t n) {
  return Extreme(x, n, [](auto d, auto a, auto b) HWY_ATTR { return LargerOf(d, a, b); });
}
float SmallestOf(const float* x, size_t n) {
  return Extreme(x, n, [](auto d, auto a, auto b) HWY_ATTR { return SmallerOf(d, a, b); });
}

void NormalizeAll(const float* x, float mean, float scale, float shift, float* out, size_t n) {
  Map(x, out, n, [=](auto d, auto v) HWY_ATTR {
    return hn::MulAdd(hn::Sub(v, hn::Set(d, mean)), hn::Set(d, scale), hn::Set(d, shift));
  });
}
void NormalizeEach(const float* x, float mean, float scale, const float* gamma, const float* beta,
                   float* out, size_t n) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    auto y = hn::Mul(hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean)), hn::Set(d, scale));
    if (gamma) y = hn::Mul(y, hn::LoadU(d, gamma + i));
    if (beta) y = hn::Add(y, hn::LoadU(d, beta + i));
    hn::StoreU(y, d, out + i);
  });
}

template <typename Step>
HWY_INLINE void FoldBy(const float* plane, const int64_t* offsets, int64_t taps, float* out,
                       size_t n, bool squares_first, const Step& step) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    auto folded = hn::LoadU(d, plane + offsets[0] + i);
    if (squares_first) folded = hn::Mul(folded, folded);
    for (int64_t t = 1; t < taps; ++t) {
      folded = step(d, folded, hn::LoadU(d, plane + offsets[t] + i));
    }
    hn::StoreU(folded, d, out + i);
  });
}

void FoldTaps(Fold fold, const float* plane, const int64_t* offsets, int64_t taps, float* out,
              size_t n) {
  switch (fold) {
    case Fold::kLargest:
      return FoldBy(plane, offsets, taps, out, n, false,
                    [](auto d, auto a, auto b) HWY_ATTR { return LargerOf(d, a, b); });
    case Fold::kSum:
      return FoldBy(plane, offsets, taps, out, n, false,
                    [](auto, auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
    case Fold::kSumOfSquares:
      return FoldBy(plane, offsets, taps, out, n, true,
                    [](auto, auto a, auto b) HWY_ATTR { return hn::MulAdd(b, b, a); });
  }
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

#define ANEMONE_ZIP(name, loop)                                     \
  HWY_EXPORT(loop);                                                 \
  void name(const float* a, const float* b, float* out, size_t n) { \
    HWY_DYNAMIC_DISPATCH(loop)(a, b, out, n);                       \
  }
#define ANEMONE_MAP(name, loop)                                       \
  HWY_EXPORT(loop);                                                   \
  void name(const float* x, float a, float b, float* out, size_t n) { \
    HWY_DYNAMIC_DISPATCH(loop)(x, a, b, out, n);                      \
  }
ANEMONE_ZIP(div, Div)
ANEMONE_ZIP(maximum, Maximum)
ANEMONE_ZIP(minimum, Minimum)
ANEMONE_MAP(limit, Limit)
ANEMONE_MAP(linear, Linear)
ANEMONE_MAP(linear_01, Linear01)
ANEMONE_MAP(leaky, Leaky)
ANEMONE_MAP(elu, Elu)
ANEMONE_MAP(erf, Erf)
ANEMONE_MAP(gelu, Gelu)
ANEMONE_MAP(gelu_tanh, GeluTanh)
ANEMONE_MAP(gelu_sigmoid, GeluSigmoid)
ANEMONE_MAP(square, Square)
ANEMONE_MAP(sqrt, Sqrt)
ANEMONE_MAP(abs, Abs)
ANEMONE_MAP(rsqrt, Rsqrt)
ANEMONE_MAP(inverse, Inverse)
#undef ANEMONE_ZIP
#undef ANEMONE_MAP

HWY_EXPORT(SumOf);
HWY_EXPORT(SumOfSquaresFrom);
HWY_EXPORT(LargestOf);
HWY_EXPORT(SmallestOf);
HWY_EXPORT(NormalizeAll);
HWY_EXPORT(NormalizeEach);
HWY_EXPORT(FoldTaps);

float sum(const float* x, size_t n) { return HWY_DYNAMIC_DISPATCH(SumOf)(x, n); }
float sum_of_squares_from(const float* x, float mean, size_t n) {
  return HWY_DYNAMIC_DISPATCH(SumOfSquaresFrom)(x, mean, n);
}
float largest(const float* x, size_t n) { return HWY_DYNAMIC_DISPATCH(LargestOf)(x, n); }
float smallest(const float* x, size_t n) { return HWY_DYNAMIC_DISPATCH(SmallestOf)(x, n); }
void normalize(const float* x, float mean, float scale, float shift, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(NormalizeAll)(x, mean, scale, shift, out, n);
}
void normalize(const float* x, float mean, float scale, const float* gamma, const float* beta,
               float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(NormalizeEach)(x, mean, scale, gamma, beta, out, n);
}
void fold_taps(Fold fold, const float* plane, const int64_t* offsets, int64_t taps, float* out,
               size_t n) {
  HWY_DYNAMIC_DISPATCH(FoldTaps)(fold, plane, offsets, taps, out, n);
}

}  // namespace anemone::simd
#endif
