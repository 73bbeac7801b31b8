// What the data-moving families share: copying elements of any byte-sized type along axes.
#pragma once

#include "anemone/ops/builder.h"
#include "anemone/ops/op_def.h"

namespace anemone {

// Where the indices of each output axis lead: out[i, j, …] = from[tables[0][i] + tables[1][j] + …].
// An element with kSkip in its sum is left as it is.
using OffsetTables = std::vector<std::vector<int64_t>>;
inline constexpr int64_t kSkip = -1;

void copy_by_tables(const TensorView& from, const OffsetTables& tables, const TensorView& to);
// The other way round: to[tables[0][i] + tables[1][j] + …] = from[i, j, …].
void put_by_tables(const TensorView& from, const OffsetTables& tables, const TensorView& to);

// `count` indices start, start + step, …, as offsets of an axis with element stride `stride`.
std::vector<int64_t> axis_offsets(int64_t start, int64_t step, int64_t count, int64_t stride);

// The tables that copy a whole tensor of `shape` to itself: something to change axes of.
OffsetTables identity_tables(const Shape& shape);

// The axes of a parameter made non-negative; refuses repeated and outside ones quoting `rule`.
std::vector<size_t> distinct_axes(const OpArgs& args, const std::vector<int64_t>& axes, size_t rank,
                                  std::string_view rule);

// Elements before, on, and after `axis` of `shape`: sizes of [outer, axis, inner].
struct AxisSplit {
  int64_t outer = 1, size = 1, inner = 1;
};
AxisSplit split_at(const Shape& shape, size_t axis);

// `value` repeated along axes of size 1 up to `shape`, which has the same rank.
Value tile_to_shape(Builder& b, Value value, const Shape& shape);
// Zeros around `value`, `before` and `after` elements on every axis.
Value pad_with_zeros(Builder& b, Value value, const Shape& before, const Shape& after);

}  // namespace anemone
