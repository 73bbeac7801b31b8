#include "anemone/passes/rebatch.h"

#include "anemone/ir/walk.h"

namespace anemone {
namespace {

// A constant list of sizes with another first one; null where it does not begin with `from`.
std::shared_ptr<const Literal> with_first(const Operand& sizes, int64_t from, int64_t to) {
  const Literal* literal = Operation::constant(sizes);
  if (!literal || !literal->tensor || literal->tensor->size() == 0) return nullptr;
  if (literal->tensor->at(0) != static_cast<double>(from)) return nullptr;
  Tensor changed = literal->tensor->clone();
  changed.view().set(0, static_cast<double>(to));
  return std::make_shared<const Literal>(Literal::of(std::move(changed)));
}

}  // namespace

void rebatch_reshapes(Function& function, int64_t from, int64_t to) {
  for_each_of_type(function, "reshape", [&](Operation& op) {
    for (Argument& argument : op.arguments) {
      if (argument.name != "shape" || argument.is_tuple) continue;
      Operand& sizes = argument.operands[0];
      if (auto changed = with_first(sizes, from, to)) {
        sizes.literal = std::move(changed);
        sizes.value = nullptr;
      }
    }
  });
}

}  // namespace anemone
