// Integers of four bits in groups along the rows of a matrix, with a scale for each group.
#pragma once

#include <cstdint>

#include "anemone/base/half.h"

namespace anemone {

// Numbers of a row that share a scale.
inline constexpr int64_t kInt4Group = 32;

// The integer at `index`, in [-8, 7]: two in a byte, the first in its low half.
inline int int4_at(const uint8_t* packed, int64_t index) {
  const int bits = packed[index / 2] >> (index % 2 * 4) & 15;
  return (bits ^ 8) - 8;
}

// Rows of them. A number stands for its integer times the scale of its group.
struct Int4Numbers {
  const uint8_t* packed = nullptr;
  const Half* scales = nullptr;

  // From a number on that begins a group.
  Int4Numbers operator+(int64_t count) const {
    return {packed + count / 2, scales + count / kInt4Group};
  }
};

}  // namespace anemone
