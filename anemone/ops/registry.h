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

}  // namespace anemone
