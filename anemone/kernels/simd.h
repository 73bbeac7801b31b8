// Vector loops over fp32 memory, compiled for several instruction sets and chosen at run time
// (Highway). One thread each: whoever calls them splits the work. Pointers need no alignment.
// Unless said otherwise an output may be exactly one of the inputs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "anemone/base/half.h"

namespace anemone::simd {

// "AVX3", "AVX2", "NEON", …
const char* target_name();

// --- element-wise, n elements ---
void add(const float* a, const float* b, float* out, size_t n);
void sub(const float* a, const float* b, float* out, size_t n);
void mul(const float* a, const float* b, float* out, size_t n);
void add_scalar(const float* a, float b, float* out, size_t n);
void mul_scalar(const float* a, float b, float* out, size_t n);
void exp(const float* a, float* out, size_t n);
void sigmoid(const float* a, float* out, size_t n);
void silu(const float* a, float* out, size_t n);
void tanh(const float* a, float* out, size_t n);
void relu(const float* a, float* out, size_t n);

// y = silu(gate) * up, and the gradients of both.
void swiglu(const float* gate, const float* up, float* out, size_t n);
void swiglu_backward(const float* gate, const float* up, const float* dy, float* dgate, float* dup,
                     size_t n);

// Rotates (even, odd) by the angles of cos and sin; `sign` -1 rotates back.
void rotate(const float* even, const float* odd, const float* cosine, const float* sine, float sign,
            float* out_even, float* out_odd, size_t n);

// The nearest bf16 numbers, ties to even; what is no number stays none. For operands of products
// there is round_rows() of tiles.h.
void to_bf16(const float* x, BFloat16* out, size_t n);

// The nearest fp16 numbers, ties to even, NaN stays NaN; and the numbers that they are.
void to_half(const float* x, Half* out, size_t n);
void from_half(const Half* x, float* out, size_t n);

// --- a grid of int8 or uint8 ---
// out = round(x / scale) + zero_point, halves to even, clamped to what `out` holds; its lowest
// where x is no number.
void quantize(const float* x, float scale, float zero_point, int8_t* out, size_t n);
void quantize(const float* x, float scale, float zero_point, uint8_t* out, size_t n);
// out = scale * (x - zero_point)
void dequantize(const int8_t* x, float scale, float zero_point, float* out, size_t n);
void dequantize(const uint8_t* x, float scale, float zero_point, float* out, size_t n);

// --- sums ---
double sum_of_squares(const float* a, size_t n);  // in double, for norms over many parameters
float dot(const float* a, const float* b, size_t n);
// out[row] = sum over i of matrix[row * stride + i] * x[i]
void matrix_vector(const float* matrix, size_t rows, size_t columns, size_t stride, const float* x,
                   float* out);
// Of several vectors, each row of the matrix being read once:
// out[row * out_stride + v] = sum over i of matrix[row * stride + i] * x[v * x_stride + i], added
// to what `sum`, which may be `out`, has there unless it is null.
void matrix_vectors(const float* matrix, size_t rows, size_t columns, size_t stride, const float* x,
                    size_t x_stride, size_t vectors, const float* sum, float* out,
                    size_t out_stride);
// The same with a matrix in bf16, and in int8.
void matrix_vectors(const uint16_t* matrix, size_t rows, size_t columns, size_t stride,
                    const float* x, size_t x_stride, size_t vectors, const float* sum, float* out,
                    size_t out_stride);
void matrix_vectors(const int8_t* matrix, size_t rows, size_t columns, size_t stride,
                    const float* x, size_t x_stride, size_t vectors, const float* sum, float* out,
                    size_t out_stride);
// out[row] = sum over i of weights[i] * matrix[i * stride + row]: columns weighted and added.
void weighted_rows(const float* matrix, size_t rows, size_t columns, size_t stride,
                   const float* weights, float* out);

// --- columns of a [rows, stride] matrix, `columns` of them side by side ---
// out[s] = 1 / sqrt(mean over rows of x^2 + epsilon)
void inverse_rms(const float* x, size_t rows, size_t columns, size_t stride, float epsilon,
                 float* out);
// out[s] = sum over rows c of a[c, s] * b[c, s] * weight[c]
void weighted_dot(const float* a, const float* b, const float* weight, size_t rows, size_t columns,
                  size_t stride, float* out);
// log(sum over rows of exp(x)), stable, reading x once.
void log_sum_exp(const float* x, size_t rows, size_t columns, size_t stride, float* out);
// Softmax of scale * x down each column of [rows, columns], in place.
void softmax_down(float* x, size_t rows, size_t columns, float scale);
// dp = p * (dp - sum down the column of p * dp) * scale: the gradient of softmax and scale.
void softmax_backward_down(const float* p, float* dp, size_t rows, size_t columns, float scale);

// --- rows ---
// y[s] = weight * x[s] * inverse[s]
void scale_row(const float* x, const float* inverse, float weight, float* y, size_t n);
// With r = inverse[s] and m = mean_dot[s] = r^3/C sum(dy w x): dx = r w dy - x m, added to what
// `sum`, which may be dx, has there unless it is null.
// Returns the row's weight gradient, sum over s of dy x r.
float rms_backward_row(const float* x, const float* dy, const float* inverse, const float* mean_dot,
                       float weight, const float* sum, float* dx, size_t n);
// Softmax of scale * row[0, n), in place, zeros in [n, total).
void softmax_row(float* row, size_t n, size_t total, float scale);
// out = exp(x - log_sum_exp) * scale
void scaled_softmax(const float* x, const float* log_sum_exp, float scale, float* out, size_t n);

// --- optimizer ---
struct AdamW {
  float beta1, beta2;
  float rest1, rest2;        // 1 - beta, rounded once
  float rate;                // learning rate / (1 - beta1^t)
  float inverse_correction;  // 1 / (1 - beta2^t)
  float epsilon;             // added after bias correction
  float keep;                // 1 - learning rate * weight decay
  float gradient_scale;      // clipping
};
// One AdamW update (Loshchilov and Hutter 2019) of n parameters.
void adamw(float* parameter, const float* gradient, float* m, float* v, size_t n,
           const AdamW& step);

}  // namespace anemone::simd
