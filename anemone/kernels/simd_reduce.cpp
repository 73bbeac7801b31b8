#include "anemone/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_reduce.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// A sum that takes what Each() gives: whole vectors and shorter ones.
class Sum {
 public:
  HWY_INLINE Sum() : wide_(hn::Zero(D())), narrow_(0) {}
  HWY_INLINE void Add(D, V x) { wide_ = hn::Add(wide_, x); }
  template <class Short>
  HWY_INLINE void Add(Short d, hn::Vec<Short> x) {
    narrow_ += hn::GetLane(hn::SumOfLanes(d, x));
  }
  HWY_INLINE float Total() const { return hn::GetLane(hn::SumOfLanes(D(), wide_)) + narrow_; }

 private:
  V wide_;
  float narrow_;
};

double SumOfSquares(const float* a, size_t n) {
  const hn::ScalableTag<double> dd;
  const hn::Rebind<float, decltype(dd)> half;
  const size_t lanes = hn::Lanes(dd);
  auto sum0 = hn::Zero(dd), sum1 = hn::Zero(dd);
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto x = hn::PromoteTo(dd, hn::LoadU(half, a + i));
    const auto y = hn::PromoteTo(dd, hn::LoadU(half, a + i + lanes));
    sum0 = hn::MulAdd(x, x, sum0);
    sum1 = hn::MulAdd(y, y, sum1);
  }
  double sum = hn::GetLane(hn::SumOfLanes(dd, hn::Add(sum0, sum1)));
  for (; i < n; ++i) sum += static_cast<double>(a[i]) * a[i];
  return sum;
}

void ScaleRow(const float* x, const float* inverse, float weight, float* y, size_t n) {
  Each(n, [&](auto d, size_t s) HWY_ATTR {
    const auto scaled = hn::Mul(hn::LoadU(d, x + s), hn::LoadU(d, inverse + s));
    hn::StoreU(hn::Mul(scaled, hn::Set(d, weight)), d, y + s);
  });
}

float RmsBackwardRow(const float* x, const float* dy, const float* inverse, const float* mean_dot,
                     float weight, const float* sum, float* dx, size_t n) {
  Sum dweight;
  Each(n, [&](auto d, size_t s) HWY_ATTR {
    const auto value = hn::LoadU(d, x + s);
    const auto scaled = hn::Mul(hn::LoadU(d, dy + s), hn::LoadU(d, inverse + s));
    dweight.Add(d, hn::Mul(scaled, value));
    const auto direct = hn::Mul(scaled, hn::Set(d, weight));
    const auto own = hn::NegMulAdd(value, hn::LoadU(d, mean_dot + s), direct);
    hn::StoreU(sum ? hn::Add(hn::LoadU(d, sum + s), own) : own, d, dx + s);
  });
  return dweight.Total();
}

// The largest of row[0, n); n > 0.
float Largest(const float* row, size_t n) {
  const D d;
  float largest = row[0];
  V wide = hn::Set(d, row[0]);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) wide = hn::Max(wide, hn::LoadU(d, row + i));
  for (; i < n; ++i) largest = HWY_MAX(largest, row[i]);
  return HWY_MAX(largest, hn::GetLane(hn::MaxOfLanes(d, wide)));
}

void SoftmaxRow(float* row, size_t n, size_t total, float scale) {
  const float maximum = scale * Largest(row, n);
  Sum sum;
  Each(n, [&](auto d, size_t s) HWY_ATTR {
    const auto shifted = hn::MulSub(hn::LoadU(d, row + s), hn::Set(d, scale), hn::Set(d, maximum));
    const auto p = ExpOf(d, shifted);
    sum.Add(d, p);
    hn::StoreU(p, d, row + s);
  });
  const float inverse = 1.0f / sum.Total();
  Each(n, [&](auto d, size_t s) HWY_ATTR {
    hn::StoreU(hn::Mul(hn::LoadU(d, row + s), hn::Set(d, inverse)), d, row + s);
  });
  for (size_t s = n; s < total; ++s) row[s] = 0;
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

HWY_EXPORT(SumOfSquares);
HWY_EXPORT(ScaleRow);
HWY_EXPORT(RmsBackwardRow);
HWY_EXPORT(SoftmaxRow);

double sum_of_squares(const float* a, size_t n) { return HWY_DYNAMIC_DISPATCH(SumOfSquares)(a, n); }
void scale_row(const float* x, const float* inverse, float weight, float* y, size_t n) {
  HWY_DYNAMIC_DISPATCH(ScaleRow)(x, inverse, weight, y, n);
}
float rms_backward_row(const float* x, const float* dy, const float* inverse, const float* mean_dot,
                       float weight, const float* sum, float* dx, size_t n) {
  return HWY_DYNAMIC_DISPATCH(RmsBackwardRow)(x, dy, inverse, mean_dot, weight, sum, dx, n);
}
void softmax_row(float* row, size_t n, size_t total, float scale) {
  HWY_DYNAMIC_DISPATCH(SoftmaxRow)(row, n, total, scale);
}
}  // namespace anemone::simd
#endif
