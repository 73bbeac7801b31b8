#include <algorithm>
#include <limits>

#include "anemone/kernels/half_numerics.h"
#include "anemone/kernels/simd.h"
#include "anemone/kernels/tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_half.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

void FinishAll(float* x, size_t n, const Finish& how) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    auto value = hn::LoadU(d, x + i);
    if (how.nan_to_zero) value = hn::IfThenElse(hn::IsNaN(value), hn::Zero(d), value);
    if (how.round) value = RoundToHalf(d, value);
    if (how.ceiling > 0) {
      const auto large = hn::CopySign(hn::Set(d, std::numeric_limits<float>::infinity()), value);
      value = hn::IfThenElse(hn::Ge(hn::Abs(value), hn::Set(d, how.ceiling)), large, value);
    }
    hn::StoreU(value, d, x + i);
  });
}

void NanToInfinity(float* x, size_t n) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    const auto value = hn::LoadU(d, x + i);
    hn::StoreU(
        hn::IfThenElse(hn::IsNaN(value), hn::Set(d, std::numeric_limits<float>::infinity()), value),
        d, x + i);
  });
}

void ToBf16(const float* x, BFloat16* out, size_t n) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> whole;
    const hn::Rebind<uint16_t, decltype(d)> half;
    const auto rounded =
        hn::BitCast(hn::RebindToUnsigned<decltype(d)>(), RoundToBf16(d, hn::LoadU(d, x + i)));
    const auto bits = hn::BitCast(whole, hn::ShiftRight<16>(rounded));
    hn::StoreU(hn::DemoteTo(half, bits), half, reinterpret_cast<uint16_t*>(out + i));
  });
}

// By bits, because Highway 1.0.3 turns an infinite fp16 into 65536 where the processor has no
// instruction for it.
void ToHalf(const float* x, Half* out, size_t n) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> whole;
    const hn::Rebind<uint16_t, decltype(d)> half;
    const auto value = RoundToHalf(d, hn::LoadU(d, x + i));
    const auto size = hn::Abs(value);
    const auto finite =
        hn::ShiftRight<13>(hn::BitCast(whole, hn::Mul(size, hn::Set(d, 0x1p-112f))));
    const auto nan = hn::IsNaN(value);
    const auto infinite = hn::Gt(size, hn::Set(d, 65504.0f));
    auto bits = hn::IfThenElse(hn::RebindMask(whole, infinite), hn::Set(whole, 0x7C00), finite);
    bits = hn::IfThenElse(hn::RebindMask(whole, nan), hn::Set(whole, 0x7E00), bits);
    const auto sign =
        hn::And(hn::ShiftRight<16>(hn::BitCast(whole, value)), hn::Set(whole, 0x8000));
    hn::StoreU(hn::DemoteTo(half, hn::Or(bits, sign)), half, reinterpret_cast<uint16_t*>(out + i));
  });
}

void FromHalf(const Half* x, float* out, size_t n) {
  Each(n, [&](auto d, size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> whole;
    const hn::Rebind<uint16_t, decltype(d)> half;
    const auto bits =
        hn::PromoteTo(whole, hn::LoadU(half, reinterpret_cast<const uint16_t*>(x + i)));
    const auto size = hn::ShiftLeft<13>(hn::And(bits, hn::Set(whole, 0x7FFF)));
    const auto finite = hn::BitCast(whole, hn::Mul(hn::BitCast(d, size), hn::Set(d, 0x1p112f)));
    const auto beyond = hn::Gt(size, hn::Set(whole, (0x7C00 << 13) - 1));
    const auto number = hn::IfThenElse(beyond, hn::Or(size, hn::Set(whole, 0x7F800000)), finite);
    const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(whole, 0x8000)));
    hn::StoreU(hn::BitCast(d, hn::Or(number, sign)), d, out + i);
  });
}

// The nearest number of 11 bits, as above: for whole numbers, among which there are no subnormals.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V RoundTo11Bits(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto exponent = hn::And(hn::BitCast(di, x), hn::Set(di, 0x7F800000));
  const V magic =
      hn::Mul(hn::BitCast(d, hn::Add(exponent, hn::Set(di, 13 << 23))), hn::Set(d, 1.5f));
  return hn::Sub(hn::Add(x, magic), magic);
}

void GridMatmul(const float* a, size_t a_row, size_t a_step, const float* b, float* out,
                size_t begin, size_t end, size_t inner, size_t columns, float ceiling) {
  for (size_t m = begin; m < end; ++m) {
    const float* row = a + m * a_row;
    Each(columns, [&](auto d, size_t n) HWY_ATTR {
      const auto limit = hn::Set(d, ceiling * 0x1p16f), least = hn::Set(d, 4.0f);
      auto total = hn::Zero(d);  // in units of 2^-16, as everything here
      for (size_t k = 0; k < inner; k += 4) {
        auto sum = hn::Zero(d);
        for (size_t j = k; j < std::min(k + 4, inner); ++j) {
          const auto scaled = hn::Set(d, row[j * a_step] * 0x1p16f);
          const auto product = hn::Round(hn::Mul(scaled, hn::LoadU(d, b + j * columns + n)));
          sum = RoundTo11Bits(d, hn::Add(sum, product));
        }
        total = hn::Add(total, hn::IfThenZeroElse(hn::Lt(hn::Abs(sum), least), sum));
        const auto large = hn::CopySign(hn::Set(d, std::numeric_limits<float>::infinity()), total);
        total = hn::IfThenElse(hn::Ge(hn::Abs(total), limit), large, total);
      }
      hn::StoreU(hn::Mul(total, hn::Set(d, 0x1p-16f)), d, out + m * columns + n);
    });
  }
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

HWY_EXPORT(FinishAll);
HWY_EXPORT(NanToInfinity);
HWY_EXPORT(ToBf16);
HWY_EXPORT(ToHalf);
HWY_EXPORT(FromHalf);
HWY_EXPORT(GridMatmul);

void finish(float* x, size_t n, const Finish& how) { HWY_DYNAMIC_DISPATCH(FinishAll)(x, n, how); }
void nan_to_infinity(float* x, size_t n) { HWY_DYNAMIC_DISPATCH(NanToInfinity)(x, n); }
void to_bf16(const float* x, BFloat16* out, size_t n) { HWY_DYNAMIC_DISPATCH(ToBf16)(x, out, n); }
void to_half(const float* x, Half* out, size_t n) { HWY_DYNAMIC_DISPATCH(ToHalf)(x, out, n); }
void from_half(const Half* x, float* out, size_t n) { HWY_DYNAMIC_DISPATCH(FromHalf)(x, out, n); }
void grid_matmul(const float* a, size_t a_row, size_t a_step, const float* b, float* out,
                 size_t begin, size_t end, size_t inner, size_t columns, float ceiling) {
  HWY_DYNAMIC_DISPATCH(GridMatmul)
  (a, a_row, a_step, b, out, begin, end, inner, columns, ceiling);
}

}  // namespace anemone::simd

namespace anemone {

void round_rows(const float* from, int64_t from_stride, int64_t rows, int64_t columns, BFloat16* to,
                int64_t to_stride) {
  static const auto native = detail::native_round_rows();
  if (native) return native(from, from_stride, rows, columns, to, to_stride);
  for (int64_t row = 0; row < rows; ++row) {
    simd::to_bf16(from + row * from_stride, to + row * to_stride, static_cast<size_t>(columns));
  }
}

}  // namespace anemone
#endif
