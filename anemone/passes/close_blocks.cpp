#include "anemone/passes/close_blocks.h"

#include <algorithm>
#include <unordered_set>

#include "anemone/ir/walk.h"
#include "anemone/ops/builder.h"

namespace anemone {
namespace {

void add_definitions(const Block& block, std::unordered_set<Value>& defined) {
  defined.insert(block.inputs.begin(), block.inputs.end());
  walk(block, [&](const Operation& op) {
    defined.insert(op.outputs.begin(), op.outputs.end());
    for (const auto& nested : op.blocks) {
      defined.insert(nested->inputs.begin(), nested->inputs.end());
    }
  });
}

// Values from outside that the blocks of `op` read, each once, in the order of their first use.
std::vector<Value> captured_by(const Operation& op) {
  std::unordered_set<Value> seen;
  for (const auto& block : op.blocks) add_definitions(*block, seen);
  std::vector<Value> captured;
  const auto take = [&](Value value) {
    if (seen.insert(value).second) captured.push_back(value);
  };
  for (const auto& block : op.blocks) {
    for (const auto& nested : block->operations) for_each_used_value(*nested, take);
    for (Value output : block->outputs) take(output);
  }
  return captured;
}

void copy_constant(Value constant, Block& block, Function& function) {
  auto twin = std::make_unique<Operation>();
  twin->type = "const";
  twin->attributes = constant->producer->attributes;
  const std::string name = function.fresh_name(constant->name);
  const Value copy = function.add_variable(name, constant->type, twin.get());
  twin->outputs = {copy};
  block.operations.insert(block.operations.begin(), std::move(twin));
  replace_uses(block, constant, copy);
}

void close(Block& block, Function& function) {
  for (const auto& op : block.operations) {
    if (op->blocks.empty()) continue;
    std::vector<Operand> operands;
    for (Value value : captured_by(*op)) {
      const bool is_constant = constant_of(value) != nullptr;
      if (!is_constant) operands.emplace_back(value);
      for (const auto& nested : op->blocks) {
        if (is_constant) {
          copy_constant(value, *nested, function);
          continue;
        }
        const std::string name = function.fresh_name(value->name);
        nested->inputs.push_back(function.add_variable(name, value->type, nullptr));
        replace_uses(*nested, value, nested->inputs.back());
      }
    }
    if (!operands.empty()) op->arguments.emplace_back("captured", std::move(operands));
    for (const auto& nested : op->blocks) close(*nested, function);
  }
}

}  // namespace

void close_blocks(Function& function) { close(function, function); }

Function function_of_block(const Block& block, std::string name, std::string opset) {
  Function function(std::move(name), std::move(opset));
  std::unordered_map<Value, Value> values;
  for (Value input : block.inputs) {
    values[input] = function.add_input(function.fresh_name(input->name), input->type);
  }
  for (const auto& op : block.operations) append_copy(*op, function, values);
  Builder builder(function);
  for (Value output : block.outputs) {
    Value value = values.at(output);
    const auto& outputs = function.outputs;
    const bool again = std::find(outputs.begin(), outputs.end(), value) != outputs.end();
    if (again || !value->producer) value = builder.unary("identity", value);
    function.outputs.push_back(value);
  }
  return function;
}

}  // namespace anemone
