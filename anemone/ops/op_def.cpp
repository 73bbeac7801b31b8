#include "anemone/ops/op_def.h"

#include "anemone/ops/builder.h"
#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"

namespace anemone {
namespace {

// Position of an argument's first operand in the flattened list.
size_t first_operand(const Operation& op, std::string_view name) {
  size_t position = 0;
  for (const Argument& argument : op.arguments) {
    if (argument.name == name) return position;
    position += argument.operands.size();
  }
  OpArgs(op).refuse(fmt::format("{} needs parameter '{}'", op.type, name));
}

double bytes_of(const Type& type) {
  return type.is_tensor() && is_static(type.shape) ? static_cast<double>(type.bytes()) : 0;
}

}  // namespace

const TensorView& EvalArgs::in(std::string_view name) const {
  return inputs_[first_operand(op(), name)];
}

std::span<const TensorView> EvalArgs::tuple(std::string_view name) const {
  return inputs_.subspan(first_operand(op(), name), operands(name).size());
}

Value GradArgs::value(std::string_view name) const {
  if (!has(name)) return nullptr;
  const Operand& bound = operand(name);
  return bound.value ? bound.value : builder.constant(*bound.literal);
}

Cost& Cost::operator+=(const Cost& other) {
  flops += other.flops;
  bytes_read += other.bytes_read;
  bytes_written += other.bytes_written;
  return *this;
}

Cost cost_of(const Operation& op) {
  const OpDef& def = get_op(op);
  Cost cost;
  if (op.type == "const") return cost;
  if (def.flops) cost.flops = def.flops(OpArgs(op));
  for (const Argument& argument : op.arguments) {
    for (const Operand& operand : argument.operands) cost.bytes_read += bytes_of(operand.type());
  }
  for (Value output : op.outputs) cost.bytes_written += bytes_of(output->type);
  return cost;
}

double stored_bytes(const Operation& op) {
  if (op.type == "const") return bytes_of(op.outputs[0]->type);
  if (!is_constexpr(op)) return 0;
  double bytes = 0;
  for (const Param& param : get_op(op).params) {
    if (const Literal* attribute = op.attribute(param.name)) bytes += bytes_of(attribute->type);
    const Argument* argument = op.find(param.name);
    if (!argument) continue;
    for (const Operand& operand : argument->operands) {
      if (operand.literal) bytes += bytes_of(operand.literal->type);
    }
  }
  return bytes;
}

}  // namespace anemone
