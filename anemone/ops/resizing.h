// Which elements the images of resizing operations are made of (docs/ops.md, "Resizing").
#pragma once

#include "anemone/ops/sampling.h"

namespace anemone {

// x's axes from `first` on take the sizes of `result`.
struct Resize {
  Shape result;
  size_t first = 0;
  Sampling sampling = Sampling::kDefault;
  bool nearest = false, repeats = false;
};

// Of upsample_…, resize_… or resize; refuses what breaks a rule.
Resize resize_of(const OpArgs& args);

// Where the indices of an axis of the result lie: `low`, which ascends, and `part` of the way to
// the next element. Where that is 0 the next one, which may not exist, is not read.
struct AxisTaps {
  std::vector<int64_t> low;
  std::vector<double> part;
};
AxisTaps taps_of(const Resize& r, int64_t from, int64_t to);

}  // namespace anemone
