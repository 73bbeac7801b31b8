// What the operations that take indices share. Indices are checked while they run.
#pragma once

#include <string_view>

#include "anemone/ops/movement.h"

namespace anemone {

// Element `position` of `indices` as an index into an axis of `size`; negative ones count from the
// end. Refuses others quoting `rule`, so that nothing outside is ever touched.
int64_t checked_index(const EvalArgs& args, const TensorView& indices, int64_t position,
                      int64_t size, std::string_view rule);

// The indices of tuple number `tuple` as a position among the elements of `shape`, each of whose
// axes takes one.
int64_t checked_place(const EvalArgs& args, const TensorView& indices, int64_t tuple,
                      const Shape& shape, std::string_view rule);

// Whether two shapes are equal but for `axis`.
bool equal_off_axis(const Shape& a, const Shape& b, size_t axis);

// scatter or scatter_along_axis with mode add, sub, update, …
Value scatter(Builder& b, std::string_view op, Value data, Value indices, Value updates,
              int64_t axis, std::string_view mode);
Value scatter_nd(Builder& b, Value data, Value indices, Value updates, std::string_view mode);
// gather or gather_along_axis.
Value gather(Builder& b, std::string_view op, Value x, Value indices, int64_t axis);

}  // namespace anemone
