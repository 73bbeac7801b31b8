#include "anemone/kernels/panels.h"

#include <algorithm>

namespace anemone {

PackedRows pack_rows(const Tiles& tiles, Numbers a, int64_t stride, bool transposed, int64_t rows,
                     int64_t k, float* to) {
  const int64_t units = units_of(tiles, k);
  for (int64_t row = 0; row < rows; row += kPanelRows) {
    tiles.pack_a(a + row * (transposed ? 1 : stride), stride, transposed,
                 std::min(kPanelRows, rows - row), k, to + row * units);
  }
  return {to, units, transposed};
}

void multiply_panel(const Tiles& tiles, const PackedRows& a, int64_t rows, const float* b,
                    int64_t units, int64_t n, float* c, int64_t c_stride, bool adds) {
  PackingAhead nothing;
  for (int64_t row = 0; row < rows; row += kPanelRows) {
    float* to = c + row * c_stride;
    tiles.multiply(a.data + row * a.stride, a.stride, a.transposed, b, units,
                   std::min(kPanelRows, rows - row), n, {to, c_stride, adds ? to : nullptr},
                   nothing);
  }
}

}  // namespace anemone
