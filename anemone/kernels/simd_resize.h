// Rows of resized images. Same conventions as simd.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace anemone::simd {

// What the numbers of a resized row are made of: element `low`, which ascends, and the one after
// it, weighted. Where `part` is 0 it is the first one alone, whatever `kept` is.
struct RowTaps {
  const int32_t* low;
  const float *kept, *part;
};

// out[i] = x[taps.low[i]] for n numbers, of a row x that has `width`.
void pick_columns(const float* x, size_t width, const int32_t* low, float* out, size_t n);
// out[i] = taps.kept[i] * x[low] + taps.part[i] * x[low + 1]
void interpolate_columns(const float* x, size_t width, const RowTaps& taps, float* out, size_t n);
// out = kept * a + part * b
void blend_rows(const float* a, const float* b, float kept, float part, float* out, size_t n);

}  // namespace anemone::simd
