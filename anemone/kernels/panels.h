// Products of operands that are packed once and used several times.
#pragma once

#include "anemone/kernels/tiles.h"

namespace anemone {

inline int64_t units_of(const Tiles& tiles, int64_t k) {
  return (k + tiles.depth - 1) / tiles.depth;
}

// op(A) [rows, k] in panels of kPanelRows rows, or row-major.
struct PackedRows {
  const float* data;
  int64_t stride;   // units from one row to the next
  bool transposed;  // as in Tiles::multiply()
};

// Packs op(A) into `to`, rows * units_of(k) floats. Rows of A begin `stride` apart, or its columns
// where it is transposed.
PackedRows pack_rows(const Tiles& tiles, Numbers a, int64_t stride, bool transposed, int64_t rows,
                     int64_t k, float* to);

// c [rows, n] = A · b, or added to it, for a panel b of `units`, at most as many as A has; where A
// is transposed, just as many.
void multiply_panel(const Tiles& tiles, const PackedRows& a, int64_t rows, const float* b,
                    int64_t units, int64_t n, float* c, int64_t c_stride, bool adds);

}  // namespace anemone
