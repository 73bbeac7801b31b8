#include "anemone/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_elementwise.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

// out[i] = f(a[i]) and out[i] = f(a[i], b[i])
template <typename F>
HWY_INLINE void Map(const float* a, float* out, size_t n, const F& f) {
  Each(n, [&](auto d, size_t i) HWY_ATTR { hn::StoreU(f(d, hn::LoadU(d, a + i)), d, out + i); });
}
template <typename F>
HWY_INLINE void Zip(const float* a, const float* b, float* out, size_t n, const F& f) {
  Each(n, [&](auto d, size_t i)
              HWY_ATTR { hn::StoreU(f(d, hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i); });
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V SigmoidOf(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, ExpOf(d, hn::Neg(x))));
}

void Add(const float* a, const float* b, float* out, size_t n) {
  Zip(a, b, out, n, [](auto, auto x, auto y) HWY_ATTR { return hn::Add(x, y); });
}
void Sub(const float* a, const float* b, float* out, size_t n) {
  Zip(a, b, out, n, [](auto, auto x, auto y) HWY_ATTR { return hn::Sub(x, y); });
}
void Mul(const float* a, const float* b, float* out, size_t n) {
  Zip(a, b, out, n, [](auto, auto x, auto y) HWY_ATTR { return hn::Mul(x, y); });
}
void AddScalar(const float* a, float b, float* out, size_t n) {
  Map(a, out, n, [&](auto d, auto x) HWY_ATTR { return hn::Add(x, hn::Set(d, b)); });
}
void MulScalar(const float* a, float b, float* out, size_t n) {
  Map(a, out, n, [&](auto d, auto x) HWY_ATTR { return hn::Mul(x, hn::Set(d, b)); });
}
void Exp(const float* a, float* out, size_t n) {
  Map(a, out, n, [](auto d, auto x) HWY_ATTR { return ExpOf(d, x); });
}
void Sigmoid(const float* a, float* out, size_t n) {
  Map(a, out, n, [](auto d, auto x) HWY_ATTR { return SigmoidOf(d, x); });
}
void Silu(const float* a, float* out, size_t n) {
  Map(a, out, n, [](auto d, auto x) HWY_ATTR { return hn::Mul(x, SigmoidOf(d, x)); });
}
void Tanh(const float* a, float* out, size_t n) {
  Map(a, out, n, [](auto d, auto x) HWY_ATTR { return TanhOf(d, x); });
}
void Relu(const float* a, float* out, size_t n) {
  Map(a, out, n, [](auto d, auto x) HWY_ATTR {
    // No Max: what it gives for NaN and for -0 depends on the processor.
    return hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x);
  });
}
void Swiglu(const float* gate, const float* up, float* out, size_t n) {
  Zip(gate, up, out, n,
      [](auto d, auto g, auto u) HWY_ATTR { return hn::Mul(hn::Mul(g, SigmoidOf(d, g)), u); });
}

void SwigluBackward(const float* gate, const float* up, const float* dy, float* dgate, float* dup,
                    size_t n) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    const auto one = hn::Set(d, 1.0f);
    const auto g = hn::LoadU(d, gate + i), u = hn::LoadU(d, up + i), y = hn::LoadU(d, dy + i);
    const auto s = SigmoidOf(d, g);
    const auto slope = hn::Mul(s, hn::MulAdd(g, hn::Sub(one, s), one));
    hn::StoreU(hn::Mul(hn::Mul(y, u), slope), d, dgate + i);
    hn::StoreU(hn::Mul(y, hn::Mul(g, s)), d, dup + i);
  });
}

void Rotate(const float* even, const float* odd, const float* cosine, const float* sine, float sign,
            float* out_even, float* out_odd, size_t n) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    const auto x = hn::LoadU(d, even + i), y = hn::LoadU(d, odd + i);
    const auto c = hn::LoadU(d, cosine + i);
    const auto s = hn::Mul(hn::Set(d, sign), hn::LoadU(d, sine + i));
    hn::StoreU(hn::NegMulAdd(y, s, hn::Mul(x, c)), d, out_even + i);
    hn::StoreU(hn::MulAdd(x, s, hn::Mul(y, c)), d, out_odd + i);
  });
}

void ScaledSoftmax(const float* x, const float* log_sum_exp, float scale, float* out, size_t n) {
  Zip(x, log_sum_exp, out, n, [&](auto d, auto value, auto lse) HWY_ATTR {
    return hn::Mul(ExpOf(d, hn::Sub(value, lse)), hn::Set(d, scale));
  });
}

// m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2; p = p (1 - lr decay) - lr m^ / (sqrt(v^) + eps).
void AdamwStep(float* parameter, const float* gradient, float* m, float* v, size_t n,
               const AdamW& step) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    // Past a page's end, where the processor stops reading ahead by itself.
    constexpr size_t kAhead = 256;
    __builtin_prefetch(gradient + i + kAhead);
    __builtin_prefetch(m + i + kAhead);
    __builtin_prefetch(v + i + kAhead);
    __builtin_prefetch(parameter + i + kAhead);
    const auto g = hn::Mul(hn::LoadU(d, gradient + i), hn::Set(d, step.gradient_scale));
    const auto first =
        hn::MulAdd(hn::Set(d, step.beta1), hn::LoadU(d, m + i), hn::Mul(hn::Set(d, step.rest1), g));
    const auto second = hn::MulAdd(hn::Set(d, step.beta2), hn::LoadU(d, v + i),
                                   hn::Mul(hn::Set(d, step.rest2), hn::Mul(g, g)));
    const auto denominator = hn::Add(hn::Sqrt(hn::Mul(second, hn::Set(d, step.inverse_correction))),
                                     hn::Set(d, step.epsilon));
    const auto kept = hn::Mul(hn::LoadU(d, parameter + i), hn::Set(d, step.keep));
    hn::StoreU(hn::NegMulAdd(hn::Set(d, step.rate), hn::Div(first, denominator), kept), d,
               parameter + i);
    hn::StoreU(first, d, m + i);
    hn::StoreU(second, d, v + i);
  });
}

const char* TargetName() { return hwy::TargetName(HWY_TARGET); }

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

HWY_EXPORT(Add);
HWY_EXPORT(Sub);
HWY_EXPORT(Mul);
HWY_EXPORT(AddScalar);
HWY_EXPORT(MulScalar);
HWY_EXPORT(Exp);
HWY_EXPORT(Sigmoid);
HWY_EXPORT(Silu);
HWY_EXPORT(Tanh);
HWY_EXPORT(Relu);
HWY_EXPORT(Swiglu);
HWY_EXPORT(SwigluBackward);
HWY_EXPORT(Rotate);
HWY_EXPORT(ScaledSoftmax);
HWY_EXPORT(AdamwStep);
HWY_EXPORT(TargetName);

void add(const float* a, const float* b, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(Add)(a, b, out, n);
}
void sub(const float* a, const float* b, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(Sub)(a, b, out, n);
}
void mul(const float* a, const float* b, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(Mul)(a, b, out, n);
}
void add_scalar(const float* a, float b, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(AddScalar)(a, b, out, n);
}
void mul_scalar(const float* a, float b, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(MulScalar)(a, b, out, n);
}
void exp(const float* a, float* out, size_t n) { HWY_DYNAMIC_DISPATCH(Exp)(a, out, n); }
void sigmoid(const float* a, float* out, size_t n) { HWY_DYNAMIC_DISPATCH(Sigmoid)(a, out, n); }
void silu(const float* a, float* out, size_t n) { HWY_DYNAMIC_DISPATCH(Silu)(a, out, n); }
void tanh(const float* a, float* out, size_t n) { HWY_DYNAMIC_DISPATCH(Tanh)(a, out, n); }
void relu(const float* a, float* out, size_t n) { HWY_DYNAMIC_DISPATCH(Relu)(a, out, n); }
void swiglu(const float* gate, const float* up, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(Swiglu)(gate, up, out, n);
}
void swiglu_backward(const float* gate, const float* up, const float* dy, float* dgate, float* dup,
                     size_t n) {
  HWY_DYNAMIC_DISPATCH(SwigluBackward)(gate, up, dy, dgate, dup, n);
}
void rotate(const float* even, const float* odd, const float* cosine, const float* sine, float sign,
            float* out_even, float* out_odd, size_t n) {
  HWY_DYNAMIC_DISPATCH(Rotate)(even, odd, cosine, sine, sign, out_even, out_odd, n);
}
void scaled_softmax(const float* x, const float* log_sum_exp, float scale, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(ScaledSoftmax)(x, log_sum_exp, scale, out, n);
}
void adamw(float* parameter, const float* gradient, float* m, float* v, size_t n,
           const AdamW& step) {
  HWY_DYNAMIC_DISPATCH(AdamwStep)(parameter, gradient, m, v, n, step);
}
const char* target_name() { return HWY_DYNAMIC_DISPATCH(TargetName)(); }

}  // namespace anemone::simd
#endif
