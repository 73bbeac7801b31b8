// Where the positions of a resized axis lie on the grid of the axis they are read from.
#pragma once

#include "anemone/ops/op_args.h"

namespace anemone {

// MIL's sampling modes (docs/ops.md, "Resizing").
enum class Sampling : uint8_t {
  kStrictAlignCorners,
  kAlignCorners,
  kUnalignCorners,
  kDefault,
  kOffsetCorners,
};

// The mode that a parameter names, DEFAULT where it is absent; refuses others quoting `rule`.
Sampling sampling_of(const OpArgs& args, std::string_view name, std::string_view rule);

// Position `index` of `to` on a grid from 0 to `from` - 1, inside it.
double grid_point(Sampling sampling, int64_t index, int64_t from, int64_t to);

// The same on a grid from `begin` to `end`, which may be the smaller one.
double grid_point_between(Sampling sampling, int64_t index, double begin, double end, int64_t to);

}  // namespace anemone
