// Rebuilds a function operation by operation: the way in which passes replace operations.
#pragma once

#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "anemone/ir/walk.h"
#include "anemone/ops/builder.h"

namespace anemone {

// What to put in the place of `op`, whose operands are already values of the new function that
// `builder` emits into. Nothing stands for a plain copy.
using Rewriter =
    std::function<std::optional<std::vector<Value>>(Builder& builder, const Operation& op)>;

// Replaces `function`; results keep the names of what they replace. Returns whether anything was
// replaced. Operations that have become unused are removed.
bool rewrite(Function& function, const Rewriter& rewriter);

}  // namespace anemone
