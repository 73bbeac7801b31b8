// Matrices as integers with scales.
#pragma once

#include "anemone/tensor/tensor.h"

namespace anemone {

struct NarrowMatrix {
  Tensor numbers, scales;
};

// In int8: a row's numbers are multiples of 1/127 of its largest, to the nearest; scales fp32
// [rows]. In int4: groups of 32 numbers of a row are multiples, from -8 to 7, of a scale in fp16,
// [rows, columns / 32]: -1/8 of the number that is farthest from 0, which therefore stays what it
// is but for the rounding of the scale. Rows are whole groups then. `matrix` is of any float type;
// it is widened a row at a time.
NarrowMatrix narrowed(const TensorView& matrix, DType type);

}  // namespace anemone
