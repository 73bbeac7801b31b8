#include <algorithm>

#include "anemone/ops/registry.h"
#include "anemone/passes/passes.h"

namespace anemone {

bool order_arguments(Function& function) {
  bool changed = false;
  for (const auto& op : function.operations) {
    const OpDef* def = find_op(op->type);
    if (!def) continue;
    const auto rank = [&](const Argument& argument) {
      return std::find_if(def->params.begin(), def->params.end(),
                          [&](const Param& param) { return param.name == argument.name; }) -
             def->params.begin();
    };
    const auto before = [&](const Argument& a, const Argument& b) { return rank(a) < rank(b); };
    if (std::is_sorted(op->arguments.begin(), op->arguments.end(), before)) continue;
    std::stable_sort(op->arguments.begin(), op->arguments.end(), before);
    changed = true;
  }
  return changed;
}

}  // namespace anemone
