#include <algorithm>

#include "anemone/ops/query.h"
#include "anemone/passes/passes.h"

namespace anemone {
namespace {

constexpr float kLargest = 65504;

Literal narrowed(const Literal& literal) {
  Literal result = literal;
  if (!literal.type.is_tensor() || literal.type.dtype != DType::kFp32) return result;
  result.type.dtype = DType::kFp16;
  if (!literal.tensor) return result;
  Tensor within = literal.tensor->clone();
  for (float& x : within.as<float>()) x = std::clamp(x, -kLargest, kLargest);
  result.tensor = std::make_shared<const Tensor>(within.cast(DType::kFp16));
  return result;
}

bool widens_constant(const Operation& op) { return op.type == "constexpr_cast"; }

// constexpr_cast widens fp16 to fp32, of which nothing is left.
void drop_cast(Operation& op) {
  const Argument* argument = op.find("source_val");
  const Literal* literal = argument ? argument->operands[0].literal.get() : nullptr;
  if (!argument) literal = op.attribute("source_val");
  if (literal) {
    op.type = "const";
    op.attributes = {{"val", *literal}};
    op.arguments.clear();
  } else {
    const Operand source = argument->operands[0];
    op.type = "identity";
    op.attributes.clear();
    op.arguments = {{"x", source}};
  }
}

void narrow(Type& type) {
  if (type.is_tensor() && type.dtype == DType::kFp32) type.dtype = DType::kFp16;
}

}  // namespace

void to_fp16(Function& function) {
  for (Value input : function.inputs) narrow(input->type);
  for (const auto& op : function.operations) {
    for (Value output : op->outputs) narrow(output->type);
    if (widens_constant(*op)) drop_cast(*op);
    for (Attribute& attribute : op->attributes) {
      if (attribute.name == "val" || is_constexpr(*op)) attribute.value = narrowed(attribute.value);
    }
    for (Argument& argument : op->arguments) {
      for (Operand& operand : argument.operands) {
        if (operand.literal) operand = Operand(narrowed(*operand.literal));
      }
    }
    // cast(dtype = "fp32") inside the function.
    if (!is_cast(*op)) continue;
    for (Argument& argument : op->arguments) {
      if (argument.name != "dtype") continue;
      const Literal* target = Operation::constant(argument.operands[0]);
      if (target && target->strings == std::vector<std::string>{"fp32"}) {
        argument.operands[0] = Operand(Literal::of(std::string("fp16")));
      }
    }
  }
}

}  // namespace anemone
