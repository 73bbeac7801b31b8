// Shapes: sizes of the axes, outermost first. Data are row-major and dense.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace anemone {

using Shape = std::vector<int64_t>;

// A size that is not known until the program runs: "?" in MIL text.
inline constexpr int64_t kUnknownSize = -1;

bool is_static(const Shape& shape);

// Product of the sizes; 1 for a scalar. The shape must be static.
int64_t element_count(const Shape& shape);

// Elements from one index to the next on each axis.
Shape row_major_strides(const Shape& shape);

// "[1, 64, 1, 256]".
std::string to_string(const Shape& shape);

// Axis numbers count from the end when negative. Out of range gives -1.
inline int64_t normalize_axis(int64_t axis, size_t rank) {
  const auto n = static_cast<int64_t>(rank);
  if (axis < -n || axis >= n) return -1;
  return axis < 0 ? axis + n : axis;
}

}  // namespace anemone
