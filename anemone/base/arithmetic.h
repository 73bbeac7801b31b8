// Arithmetic on single numbers where C++ leaves a case undefined, or to the order of operands:
// one meaning for every kernel (docs/ops.md, "Every operation").
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace anemone {

// Returns the larger of two numbers as maximum() of IEEE 754-2019 (9.6): NaN if either is one, and
// +0 is larger than -0, so that the order of the operands does not matter.
template <typename T>
T maximum(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(x)) return x;
    if (std::isnan(y)) return y;
    if (x == y) return std::signbit(x) ? y : x;
  }
  return x < y ? y : x;
}

// Returns the smaller, likewise.
template <typename T>
T minimum(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(x)) return x;
    if (std::isnan(y)) return y;
    if (x == y) return std::signbit(x) ? x : y;
  }
  return y < x ? y : x;
}

// Returns a real number as an integer: truncated toward zero, then wrapped modulo 2^bits. NaN and
// infinities give 0.
template <typename Integer>
Integer wrap_to(double value) {
  if (!std::isfinite(value)) return 0;
  value = std::trunc(value);
  if (std::abs(value) < 0x1p63) return static_cast<Integer>(static_cast<int64_t>(value));
  const double rest = std::fmod(std::abs(value), 0x1p64);  // exact
  const auto bits = static_cast<uint64_t>(rest);
  return static_cast<Integer>(value < 0 ? 0 - bits : bits);
}

// Returns x to the power y of integers. Overflow wraps; a negative power rounds toward zero, as
// division does, and gives 0 for x = 0.
template <typename T>
T integer_power(T x, T y) {
  using Bits = std::make_unsigned_t<T>;
  if (y < 0) {
    if (x == 1) return 1;
    if (x == T(-1)) return y % 2 == 0 ? T(1) : T(-1);
    return 0;
  }
  Bits result = 1, factor = static_cast<Bits>(x);
  for (auto power = static_cast<Bits>(y); power > 0; power >>= 1, factor *= factor) {
    if (power & 1) result *= factor;
  }
  return static_cast<T>(result);
}

// Returns x - y floor(x/y), of y's sign. Integers: 0 where y is 0.
// Floats: the exact remainder, rounded once where it has to change sign; NaN where x is infinite or
// y is 0; an infinite y leaves an x of its sign, and gives itself otherwise.
template <typename T>
T floored_remainder(T x, T y) {
  if constexpr (std::is_integral_v<T>) {
    if (y == 0) return 0;
    const int64_t rest = static_cast<int64_t>(x) % y;
    return static_cast<T>(rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest);
  } else {
    const T rest = std::fmod(x, y);  // exact, of x's sign
    if (rest == 0) return std::copysign(rest, y);
    return std::signbit(rest) != std::signbit(y) ? rest + y : rest;
  }
}

// Returns floor(q) where q = x/y was rounded and |q| < 2^digits, so that only an exact quotient
// just below a whole number may have been rounded up to it. y > 0.
template <typename T>
T floor_of_quotient(T x, T y, T q) {
  const T whole = std::floor(q);
  return std::fma(-whole, y, x) < 0 ? whole - 1 : whole;  // the sign of the remainder is exact
}

// Returns round(floor(x/y)) where q = round(x/y) is whole anyhow. They differ only where the
// exact quotient lies less than 1 above the middle between q and the number before it: then floor
// gives the middle, which goes to the even one. y > 0.
template <typename T>
T floor_of_large_quotient(T x, T y, T q) {
  const T before = std::nextafter(q, -std::numeric_limits<T>::infinity());
  const T half = (q - before) / 2;
  const T rest = std::fma(half, y, std::fma(-q, y, x));  // x - (q - half) y
  using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  const bool is_middle = half >= 1 && rest > 0 && rest < y;
  return is_middle && std::bit_cast<Bits>(q) % 2 != 0 ? before : q;
}

// Returns floor(x/y). Integers: 0 where y is 0. Floats: the floor of the exact quotient, rounded
// once; x/y where y is 0, NaN where x is infinite.
template <typename T>
T floored_quotient(T x, T y) {
  if constexpr (std::is_integral_v<T>) {
    if (y == 0) return 0;
    const int64_t quotient = static_cast<int64_t>(x) / y;
    const bool inexact = static_cast<int64_t>(x) % y != 0;
    return static_cast<T>(quotient - (inexact && ((x < 0) != (y < 0))));
  } else {
    if (std::signbit(y)) x = -x, y = -y;
    const T q = x / y;
    if (y == 0 || std::isnan(q) || x == 0) return q;
    if (std::isinf(x)) return std::numeric_limits<T>::quiet_NaN();
    if (std::isinf(y) || q == 0) return x < 0 ? T(-1) : T(0);
    if (std::isinf(q)) return q;
    const T limit = std::ldexp(T(1), std::numeric_limits<T>::digits);
    return std::abs(q) < limit ? floor_of_quotient(x, y, q) : floor_of_large_quotient(x, y, q);
  }
}

}  // namespace anemone
