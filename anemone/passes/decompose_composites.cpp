#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {

bool decompose_composites(Function& function) {
  return rewrite(function, [](Builder& builder, const Operation& op) -> Replacement {
    if (!is_composite(op)) return std::nullopt;
    return get_op(op).decompose(builder, OpArgs(op));
  });
}

}  // namespace anemone
