// Matrices of 4-bit integers times one vector or a few, which become 8-bit integers for it: memory
// is read as fast as it comes, and products are those of integers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "anemone/base/int4.h"

namespace anemone {

// Four groups of a vector. Each is multiples of 1/127 of its largest absolute value, to the
// nearest.
struct QuantizedBlock {
  static constexpr size_t kGroups = 4;
  static constexpr size_t kNumbers = kGroups * static_cast<size_t>(kInt4Group);

  // What the low halves of a row's bytes are multiplied with, and the high ones.
  alignas(64) int8_t even[kNumbers / 2], odd[kNumbers / 2];
  // For each four of both: -8 times their sum, because rows are multiplied with 8 added.
  int32_t offset[kNumbers / 8];
  // Of its group, for each of the same.
  float scale[kNumbers / 8];
};

inline size_t quantized_blocks(size_t columns) {
  return (columns + QuantizedBlock::kNumbers - 1) / QuantizedBlock::kNumbers;
}

// `columns` numbers that lie `stride` apart. What is missing of the last block is 0.
void quantize_vector(const float* x, size_t stride, size_t columns, QuantizedBlock* blocks);

// out[row * out_stride + v] = row of the matrix times vector v, whose blocks follow each other.
// `columns` is a multiple of kInt4Group. What becomes of a row does not depend on the others, nor
// on the other vectors.
void matrix_vectors(Int4Numbers matrix, size_t rows, size_t columns, const QuantizedBlock* x,
                    size_t vectors, float* out, size_t out_stride);

namespace detail {
decltype(&matrix_vectors) portable_int4_vectors();
// Null where this processor or compiler has no AVX-512 VNNI.
decltype(&matrix_vectors) native_int4_vectors();
}  // namespace detail

}  // namespace anemone
