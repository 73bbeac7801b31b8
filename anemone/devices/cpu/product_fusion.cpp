#include "anemone/devices/cpu/product_fusion.h"

#include <algorithm>
#include <vector>

#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

class Finder {
 public:
  Finder(const Kernels& kernels, const NarrowStorage& narrow)
      : kernels_(kernels), narrow_(narrow) {}

  ProductFusion run(const Function& function) {
    ProductFusion found;
    Value packed = nullptr;
    const Operation* before = nullptr;
    for_each_operation(function, [&](const Operation& op) {
      if (is_const(op) || narrow_.is_free(op)) return;
      if (before && is_epilogue(op, *before)) found.epilogues.insert(&op);
      before = &op;
      const Value other = packed_by(op);
      if (!other) return;
      if (other == packed) found.packed_reuse.insert(&op);
      packed = other;
    });
    return found;
  }

 private:
  // What the operands are, or are views of; null for literals.
  std::vector<Value> roots_of_operands(const Operation& op) const {
    std::vector<Value> roots;
    for_each_operand(op, [&](const Operand& operand) {
      Value value = operand.value;
      while (value && value->producer && narrow_.is_free(*value->producer)) {
        value = OpArgs(*value->producer).value("x");
      }
      roots.push_back(value);
    });
    return roots;
  }

  bool is_epilogue(const Operation& op, const Operation& product) const {
    const auto& kind = kernels_.at(&product)->product();
    if (!kind || kind->rows == 0 || kernels_.at(&op)->rows() != kind->rows) return false;
    const std::vector<Value> own = roots_of_operands(op), other = roots_of_operands(product);
    const auto is_own = [&](Value value) {
      return value && std::find(own.begin(), own.end(), value) != own.end();
    };
    return is_own(product.outputs[0]) && std::none_of(other.begin(), other.end(), is_own);
  }

  Value packed_by(const Operation& op) const {
    const auto& kind = kernels_.at(&op)->product();
    return kind ? roots_of_operands(op)[kind->packed] : nullptr;
  }

  const Kernels& kernels_;
  const NarrowStorage& narrow_;
};

}  // namespace

ProductFusion find_product_fusion(const Function& function, const Kernels& kernels,
                                  const NarrowStorage& narrow) {
  return Finder(kernels, narrow).run(function);
}

}  // namespace anemone
