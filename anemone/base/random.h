// A small random generator whose state is one word, so that a checkpoint can hold it.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace anemone {

// SplitMix64 (Steele, Lea, Flood 2014): the same sequence on every platform.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t state() const { return state_; }

  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // [0, 1) with 53 random bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  // [0, bound), unbiased to 2^-64 * bound.
  uint64_t below(uint64_t bound) { return multiply_high(next(), bound); }

  // Standard normal (Box-Muller, one of the pair).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  // The upper word of a 64 x 64 bit product.
  static uint64_t multiply_high(uint64_t a, uint64_t b) {
    const uint64_t low_a = a & 0xFFFFFFFFu, high_a = a >> 32;
    const uint64_t low_b = b & 0xFFFFFFFFu, high_b = b >> 32;
    const uint64_t middle = high_a * low_b + ((low_a * low_b) >> 32);
    const uint64_t carry = low_a * high_b + (middle & 0xFFFFFFFFu);
    return high_a * high_b + (middle >> 32) + (carry >> 32);
  }

  uint64_t state_;
};

}  // namespace anemone
