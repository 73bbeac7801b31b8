// 16-bit floating point storage: IEEE binary16 and bfloat16, converted in software.
// Rounding is to nearest even; overflow goes to infinity, NaN stays NaN.
#pragma once

#include <bit>
#include <cstdint>

namespace anemone {

struct Half {
  uint16_t bits = 0;
};

struct BFloat16 {
  uint16_t bits = 0;
};

float to_float(Half value);
Half to_half(float value);

inline float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}
BFloat16 to_bfloat16(float value);

}  // namespace anemone
