// Every operation the toolkit knows.
#pragma once

#include <string_view>
#include <vector>

#include "anemone/ops/op_def.h"

namespace anemone {

// Null for an unknown name.
const OpDef* find_op(std::string_view name);
// Throws Error(kInvalidInput) with the nearest known name for an unknown one.
const OpDef& get_op(const Operation& op);
// Sorted by name.
std::vector<const OpDef*> all_ops();

// `anemone.` names are ours: each has a decomposition into MIL operations.
bool is_composite(const Operation& op);

// Same elements, same order, another shape: costs nothing where memory is dense.
bool is_view(const Operation& op);

// constexpr_…: weights in a packed form. Parameters are attributes, or literals in place.
bool is_constexpr(const Operation& op);

}  // namespace anemone
