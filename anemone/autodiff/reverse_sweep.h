// Reverse-mode differentiation: gradients are MIL operations appended to the same function.
// What each operation gives back is a rule of the operation (OpDef::grad).
#pragma once

#include <utility>
#include <vector>

#include "anemone/ops/builder.h"

namespace anemone {

// `seeds`: (output, gradient flowing into it) pairs, of equal types. Returns the gradient of each
// of `wanted`, null for values that the outputs do not depend on. Throws Error(kInvalidInput) at an
// operation on the way that has no gradient.
std::vector<Value> reverse_sweep(Builder& builder,
                                 const std::vector<std::pair<Value, Value>>& seeds,
                                 const std::vector<Value>& wanted);

}  // namespace anemone
