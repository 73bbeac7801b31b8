#include <limits>

#include "anemone/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_grid.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

template <typename T>
HWY_INLINE void ToGrid(const float* x, float scale, float zero_point, T* out, size_t n) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    const hn::Rebind<int32_t, decltype(d)> wide;
    const hn::Rebind<T, decltype(d)> narrow;
    const auto lowest = hn::Set(d, std::numeric_limits<T>::lowest());
    const auto highest = hn::Set(d, std::numeric_limits<T>::max());
    const auto steps = hn::Round(hn::Div(hn::LoadU(d, x + i), hn::Set(d, scale)));
    const auto y = hn::Add(steps, hn::Set(d, zero_point));
    const auto inside = hn::IfThenElse(hn::Gt(y, lowest), hn::Min(y, highest), lowest);
    hn::StoreU(hn::DemoteTo(narrow, hn::ConvertTo(wide, inside)), narrow, out + i);
  });
}

template <typename T>
HWY_INLINE void FromGrid(const T* x, float scale, float zero_point, float* out, size_t n) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    const hn::Rebind<int32_t, decltype(d)> wide;
    const hn::Rebind<T, decltype(d)> narrow;
    const auto y = hn::ConvertTo(d, hn::PromoteTo(wide, hn::LoadU(narrow, x + i)));
    hn::StoreU(hn::Mul(hn::Set(d, scale), hn::Sub(y, hn::Set(d, zero_point))), d, out + i);
  });
}

void ToSigned(const float* x, float scale, float zero_point, int8_t* out, size_t n) {
  ToGrid(x, scale, zero_point, out, n);
}
void ToUnsigned(const float* x, float scale, float zero_point, uint8_t* out, size_t n) {
  ToGrid(x, scale, zero_point, out, n);
}
void FromSigned(const int8_t* x, float scale, float zero_point, float* out, size_t n) {
  FromGrid(x, scale, zero_point, out, n);
}
void FromUnsigned(const uint8_t* x, float scale, float zero_point, float* out, size_t n) {
  FromGrid(x, scale, zero_point, out, n);
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

HWY_EXPORT(ToSigned);
HWY_EXPORT(ToUnsigned);
HWY_EXPORT(FromSigned);
HWY_EXPORT(FromUnsigned);

void quantize(const float* x, float scale, float zero_point, int8_t* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(ToSigned)(x, scale, zero_point, out, n);
}
void quantize(const float* x, float scale, float zero_point, uint8_t* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(ToUnsigned)(x, scale, zero_point, out, n);
}
void dequantize(const int8_t* x, float scale, float zero_point, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(FromSigned)(x, scale, zero_point, out, n);
}
void dequantize(const uint8_t* x, float scale, float zero_point, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(FromUnsigned)(x, scale, zero_point, out, n);
}

}  // namespace anemone::simd
#endif
