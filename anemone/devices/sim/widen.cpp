#include "anemone/devices/sim/widen.h"

#include "anemone/kernels/half_numerics.h"

namespace anemone {
namespace {

void widen(Type& type) {
  if (type.is_tensor() && type.dtype == DType::kFp16) type.dtype = DType::kFp32;
}

Literal widened(const Literal& literal, bool no_nan) {
  Literal result = literal;
  widen(result.type);
  if (!literal.tensor) return result;
  const bool is_half = literal.tensor->dtype() == DType::kFp16;
  Tensor tensor = is_half ? literal.tensor->cast(DType::kFp32) : literal.tensor->clone();
  if (is_half && no_nan) {
    simd::nan_to_infinity(tensor.as<float>().data(), tensor.as<float>().size());
  }
  result.tensor = std::make_shared<const Tensor>(std::move(tensor));
  return result;
}

// A cast to fp16 leaves fp32, which is rounded as every result is.
void widen_target(Operation& cast) {
  for (Argument& argument : cast.arguments) {
    if (argument.name != "dtype") continue;
    const Literal* target = Operation::constant(argument.operands[0]);
    if (target && target->strings == std::vector<std::string>{"fp16"}) {
      argument.operands[0] = Operand(Literal::of(std::string("fp32")));
    }
  }
}

void require_loaded(const Operation& op) {
  const Literal* literal = op.type == "const" ? op.attribute("val") : nullptr;
  if (!literal || !literal->blob || literal->tensor) return;
  fail(op.where(), "the weights of '" + op.outputs[0]->name + "' are not loaded",
       "the weight file must lie where the program says");
}

}  // namespace

void widen(Function& function, bool no_nan) {
  for (Value input : function.inputs) widen(input->type);
  for (const auto& op : function.operations) {
    require_loaded(*op);
    if (op->type == "cast") widen_target(*op);
    for (Value output : op->outputs) widen(output->type);
    for (Attribute& attribute : op->attributes) attribute.value = widened(attribute.value, no_nan);
    for (Argument& argument : op->arguments) {
      for (Operand& operand : argument.operands) {
        if (operand.literal) operand = Operand(widened(*operand.literal, no_nan));
      }
    }
  }
}

}  // namespace anemone
