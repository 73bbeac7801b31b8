// How far two tensors are apart: what tests and self-checks quote.
#pragma once

#include <algorithm>
#include <cmath>

#include "anemone/tensor/tensor.h"

namespace anemone {

struct Difference {
  double max_absolute = 0;
  double relative_norm = 0;  // |a - b| / |b|, or |a - b| where b is zero
  int64_t worst_index = 0;
};

// `b` is the reference. A NaN on either side makes both figures infinite.
inline Difference compare(const TensorView& a, const TensorView& b) {
  ANEMONE_CHECK(a.size() == b.size());
  Difference result;
  double squares = 0, reference = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    double gap = std::abs(a.at(i) - b.at(i));
    if (a.at(i) == b.at(i)) gap = 0;  // equal infinities
    if (std::isnan(gap)) gap = INFINITY;
    if (gap > result.max_absolute) {
      result.max_absolute = gap;
      result.worst_index = i;
    }
    squares += gap * gap;
    reference += b.at(i) * b.at(i);
  }
  result.relative_norm = std::sqrt(squares) / (reference > 0 ? std::sqrt(reference) : 1.0);
  return result;
}

}  // namespace anemone
