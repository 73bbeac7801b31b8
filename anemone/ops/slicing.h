// Slices as MIL's parameters say them: what slice_by_index and slice_update share.
#pragma once

#include <string_view>
#include <vector>

#include "anemone/ops/op_args.h"

namespace anemone {

// Indices begin, begin + stride, …: `size` of them.
struct Range {
  int64_t begin = 0, stride = 1, size = 0;
  bool squeeze = false;
};

// The numbers that say where a slice is, one an axis.
struct SliceNumbers {
  std::vector<int64_t> begin, end, stride, squeeze, open_begin, open_end;
};

// One constant number an axis of x (rule .c1), or the default on all of them.
std::vector<int64_t> per_axis(const OpArgs& args, std::string_view name, int64_t fallback);
// The indices of each axis of x. Quoting .c2 to .c4 of the operation.
std::vector<Range> ranges_of_slice(const OpArgs& args, const SliceNumbers& numbers);
// The same of constants.
std::vector<Range> ranges_by_index(const OpArgs& args);

}  // namespace anemone
