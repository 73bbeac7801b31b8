#include "anemone/ops/evaluate.h"
#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

constexpr int64_t kLargestFolded = 1 << 20;

// The numbers behind an operand, or null where they are not known (or not loaded).
const Tensor* known_tensor(const Operand& operand) {
  const Literal* literal = Operation::constant(operand);
  return literal ? literal->tensor.get() : nullptr;
}

bool can_fold(const Operation& op) {
  const OpDef* def = find_op(op.type);
  // Packed weights stay packed for whoever takes them so: unpack_weights is for the others.
  if (is_constexpr(op)) return false;
  if (is_const(op) || op.arguments.empty() || !def || !def->eval) return false;
  for (Value output : op.outputs) {
    if (!is_static(output->type.shape) || element_count(output->type.shape) > kLargestFolded) {
      return false;
    }
  }
  for (const Argument& argument : op.arguments) {
    for (const Operand& operand : argument.operands) {
      const bool is_text = operand.type().dtype == DType::kString;
      if (!is_text && !known_tensor(operand)) return false;
    }
  }
  return true;
}

}  // namespace

bool fold_constants(Function& function) {
  return rewrite(
      function, [](Builder& builder, const Operation& op) -> std::optional<std::vector<Value>> {
        if (!can_fold(op)) return std::nullopt;
        std::vector<TensorView> inputs, outputs;
        for (const Argument& argument : op.arguments) {
          for (const Operand& operand : argument.operands) {
            const Tensor* tensor = known_tensor(operand);
            inputs.push_back(tensor ? tensor->view() : TensorView{DType::kString, {}, nullptr});
          }
        }
        std::vector<Tensor> results;
        for (Value output : op.outputs)
          results.emplace_back(output->type.dtype, output->type.shape);
        for (const Tensor& result : results) outputs.push_back(result);
        evaluate_op(op, inputs, outputs);
        std::vector<Value> folded;
        for (Tensor& result : results)
          folded.push_back(builder.constant(std::move(result), "folded"));
        return folded;
      });
}

}  // namespace anemone
