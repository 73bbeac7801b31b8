#include "anemone/ir/walk.h"

#include <algorithm>

namespace anemone {

void for_each_used_value(const Operation& op, const std::function<void(Value)>& visit) {
  for_each_operand(op, [&](const Operand& operand) {
    if (operand.value) visit(operand.value);
  });
  for (const auto& block : op.blocks) {
    for (const auto& nested : block->operations) for_each_used_value(*nested, visit);
    for (Value output : block->outputs) visit(output);
  }
}

void replace_operands(Block& block, Value from, Value to) {
  walk(block, [&](Operation& op) {
    for_each_operand(op, [&](Operand& operand) {
      if (operand.value == from) operand.value = to;
    });
  });
}

void replace_uses(Block& block, Value from, Value to) {
  for (const auto& op : block.operations) {
    for_each_operand(*op, [&](Operand& operand) {
      if (operand.value == from) operand.value = to;
    });
    for (const auto& nested : op->blocks) replace_uses(*nested, from, to);
  }
  std::replace(block.outputs.begin(), block.outputs.end(), from, to);
}

namespace {

using Values = std::unordered_map<Value, Value>;

Value mapped(Value value, const Values& values) {
  const auto found = values.find(value);
  return found == values.end() ? value : found->second;
}

Value copy_value(Value value, Operation* producer, Function& target, Values& values) {
  const Value copy = target.add_variable(target.fresh_name(value->name), value->type, producer);
  copy->location = value->location;
  values[value] = copy;
  return copy;
}

std::unique_ptr<Block> copy_block(const Block& block, Function& target, Values& values) {
  auto copy = std::make_unique<Block>();
  for (Value input : block.inputs) {
    copy->inputs.push_back(copy_value(input, nullptr, target, values));
  }
  for (const auto& op : block.operations) {
    auto twin = copy_operation(*op, target, values);
    for (Value& output : twin->outputs) output = copy_value(output, twin.get(), target, values);
    copy->operations.push_back(std::move(twin));
  }
  for (Value output : block.outputs) copy->outputs.push_back(mapped(output, values));
  return copy;
}

}  // namespace

std::unique_ptr<Operation> copy_operation(const Operation& op, Function& target,
                                          std::unordered_map<Value, Value>& values) {
  auto twin = std::make_unique<Operation>();
  twin->type = op.type;
  twin->opset = op.opset;
  twin->version = op.version;
  twin->arguments = op.arguments;
  twin->attributes = op.attributes;
  twin->outputs = op.outputs;
  twin->location = op.location;
  for_each_operand(*twin, [&](Operand& operand) {
    if (operand.value) operand.value = values.at(operand.value);
  });
  for (const auto& block : op.blocks) twin->blocks.push_back(copy_block(*block, target, values));
  return twin;
}

Operation& append_copy(const Operation& op, Function& target,
                       std::unordered_map<Value, Value>& values) {
  auto twin = copy_operation(op, target, values);
  for (Value& output : twin->outputs) output = copy_value(output, twin.get(), target, values);
  target.operations.push_back(std::move(twin));
  return *target.operations.back();
}

}  // namespace anemone
