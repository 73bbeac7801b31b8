// More vector loops over fp32 memory: activations, extremes, sums of rows, windows. Same
// conventions as simd.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace anemone::simd {

// --- element by element, as maximum() and minimum() of base/arithmetic.h ---
void div(const float* a, const float* b, float* out, size_t n);
void maximum(const float* a, const float* b, float* out, size_t n);
void minimum(const float* a, const float* b, float* out, size_t n);

// --- functions of one operand with up to two parameters ---
using Function = void (*)(const float* x, float a, float b, float* out, size_t n);
void limit(const float* x, float low, float high, float* out, size_t n);
void linear(const float* x, float a, float b, float* out, size_t n);     // a x + b
void linear_01(const float* x, float a, float b, float* out, size_t n);  // limited to [0, 1]
void leaky(const float* x, float a, float most, float* out, size_t n);   // x < 0 ? a x : x
void elu(const float* x, float a, float, float* out, size_t n);          // x > 0 ? x : a (e^x - 1)
void erf(const float* x, float, float, float* out, size_t n);
void gelu(const float* x, float, float, float* out, size_t n);  // x (1 + erf(x/√2)) / 2
void gelu_tanh(const float* x, float, float, float* out, size_t n);
void gelu_sigmoid(const float* x, float, float, float* out, size_t n);
void square(const float* x, float, float, float* out, size_t n);
void sqrt(const float* x, float, float, float* out, size_t n);
void abs(const float* x, float, float, float* out, size_t n);
void rsqrt(const float* x, float epsilon, float, float* out, size_t n);    // 1 / √(x + epsilon)
void inverse(const float* x, float epsilon, float, float* out, size_t n);  // 1 / (x + epsilon)

// --- rows ---
float sum(const float* x, size_t n);
// Of squared differences from a number.
float sum_of_squares_from(const float* x, float mean, size_t n);
float largest(const float* x, size_t n);  // NaN where one is
float smallest(const float* x, size_t n);
// out = (x - mean) * scale + shift
void normalize(const float* x, float mean, float scale, float shift, float* out, size_t n);
// The same with a gamma and a beta for each element, or null.
void normalize(const float* x, float mean, float scale, const float* gamma, const float* beta,
               float* out, size_t n);

// --- windows: out[i] = the largest, the sum or the sum of squares over taps of
// plane[offsets[t] + i] ---
enum class Fold : uint8_t { kLargest, kSum, kSumOfSquares };
void fold_taps(Fold fold, const float* plane, const int64_t* offsets, int64_t taps, float* out,
               size_t n);

}  // namespace anemone::simd
