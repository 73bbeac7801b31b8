// What quantize, dequantize and constexpr_affine_dequantize share:
// real = scale * (stored - zero_point), with one scale for all elements or one for each index of an
// axis.
#pragma once

#include "anemone/ops/op_args.h"

namespace anemone {

// Elements side by side that share scale and zero point.
struct AffineSlice {
  int64_t begin = 0, count = 0;
  double scale = 1, zero_point = 0;
};

// All elements of `shape`, in order; the numbers of scale and zero point must be loaded.
std::vector<AffineSlice> affine_slices(const OpArgs& args, const Shape& shape);

// What an element type of a byte can hold.
struct ByteRange {
  double lowest = 0, highest = 0;
};
ByteRange byte_range(DType dtype);

}  // namespace anemone
