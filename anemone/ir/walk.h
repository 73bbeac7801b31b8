// Walking over operations, their operands and nested blocks.
#pragma once

#include <functional>
#include <unordered_map>

#include "anemone/ir/program.h"

namespace anemone {

// Calls visit(operation) for every operation of a block in order, nested ones left out.
template <typename Visit>
void for_each_operation(const Block& block, const Visit& visit) {
  for (const auto& op : block.operations) visit(*op);
}

// Calls visit(operation) for every operation of a block, those of nested blocks after the operation
// that holds them.
template <typename Visit>
void walk(const Block& block, const Visit& visit) {
  for (const auto& op : block.operations) {
    visit(*op);
    for (const auto& nested : op->blocks) walk(*nested, visit);
  }
}

// The same for operations of one type.
template <typename Visit>
void for_each_of_type(const Block& block, std::string_view type, const Visit& visit) {
  walk(block, [&](Operation& op) {
    if (op.type == type) visit(op);
  });
}

// Calls visit(operand) for every operand in the order of the arguments, tuples flattened. Blocks of
// the operation are left out.
template <typename Visit>
void for_each_operand(const Operation& op, const Visit& visit) {
  for (const Argument& argument : op.arguments) {
    for (const Operand& operand : argument.operands) visit(operand);
  }
}
template <typename Visit>
void for_each_operand(Operation& op, const Visit& visit) {
  for (Argument& argument : op.arguments) {
    for (Operand& operand : argument.operands) visit(operand);
  }
}

// Calls visit(value) for every value that an operation reads: its operands, and what its blocks
// read or return. Values that its blocks define are among them.
void for_each_used_value(const Operation& op, const std::function<void(Value)>& visit);

// Makes every operand that is `from`, in nested blocks too, be `to`.
void replace_operands(Block& block, Value from, Value to);
// The same for results of the blocks too.
void replace_uses(Block& block, Value from, Value to);

// Returns a copy of `op` for `target`: operands are mapped by `values`, blocks are copied with
// fresh values of `target` (entered into `values`). Its outputs are still those of `op`: the caller
// gives it its own.
std::unique_ptr<Operation> copy_operation(const Operation& op, Function& target,
                                          std::unordered_map<Value, Value>& values);

// The same, and each output gets a fresh value of its type, named like it where the name is free.
Operation& append_copy(const Operation& op, Function& target,
                       std::unordered_map<Value, Value>& values);

}  // namespace anemone
