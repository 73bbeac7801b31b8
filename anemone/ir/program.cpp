#include "anemone/ir/program.h"

#include <algorithm>

#include "anemone/ir/walk.h"

namespace anemone {

Operation::Operation() = default;
Operation::~Operation() = default;

const Argument* Operation::find(std::string_view argument) const {
  for (const Argument& candidate : arguments) {
    if (candidate.name == argument) return &candidate;
  }
  return nullptr;
}

const Literal* Operation::attribute(std::string_view name) const {
  for (const Attribute& candidate : attributes) {
    if (candidate.name == name) return &candidate.value;
  }
  return nullptr;
}

const Literal* Operation::constant(const Operand& operand) {
  return operand.literal ? operand.literal.get() : constant_of(operand.value);
}

std::string Operation::where() const {
  if (location.line > 0) {
    return std::to_string(location.line) + ":" + std::to_string(location.column);
  }
  return outputs.empty() ? type : type + " '" + outputs[0]->name + "'";
}

const Literal* constant_of(Value value) {
  if (!value->producer || value->producer->type != "const") return nullptr;
  return value->producer->attribute("val");
}

Value Function::add_input(std::string input_name, Type type) {
  inputs.push_back(add_variable(std::move(input_name), std::move(type), nullptr));
  return inputs.back();
}

Value Function::add_variable(std::string variable_name, Type type, Operation* producer) {
  variables_.push_back(std::make_unique<Variable>(
      Variable{std::move(variable_name), std::move(type), producer, {}}));
  Value value = variables_.back().get();
  by_name_.emplace(value->name, value);
  return value;
}

std::string Function::fresh_name(std::string_view base) const {
  std::string candidate(base);
  for (int i = 1; by_name_.contains(candidate); ++i) {
    candidate = std::string(base) + "_" + std::to_string(i);
  }
  return candidate;
}

void Function::rename(Value value, std::string new_name) {
  if (value->name == new_name) return;
  ANEMONE_CHECK(!by_name_.contains(new_name));
  by_name_.erase(value->name);
  value->name = std::move(new_name);
  by_name_.emplace(value->name, value);
}

Value Function::find(std::string_view variable_name) const {
  const auto found = by_name_.find(std::string(variable_name));
  return found == by_name_.end() ? nullptr : found->second;
}

int Function::remove_unused() {
  std::unordered_set<const Variable*> needed(outputs.begin(), outputs.end());
  std::vector<std::unique_ptr<Operation>> kept;
  for (auto op = operations.rbegin(); op != operations.rend(); ++op) {
    // An operation without outputs acts on a state and always stays.
    const bool used = (*op)->outputs.empty() ||
                      std::any_of((*op)->outputs.begin(), (*op)->outputs.end(),
                                  [&](Value output) { return needed.contains(output); });
    if (!used) continue;
    for_each_used_value(**op, [&](Value value) { needed.insert(value); });
    kept.push_back(std::move(*op));
  }
  const auto removed = static_cast<int>(operations.size() - kept.size());
  std::reverse(kept.begin(), kept.end());
  operations = std::move(kept);
  return removed;
}

Function Function::clone(std::unordered_map<Value, Value>* map) const {
  Function copy(name, opset);
  copy.attributes = attributes;
  std::unordered_map<Value, Value> local;
  auto& values = map ? *map : local;
  for (Value input : inputs) values[input] = copy.add_input(input->name, input->type);
  for (const auto& op : operations) append_copy(*op, copy, values);
  for (Value output : outputs) copy.outputs.push_back(values.at(output));
  return copy;
}

Function* Program::find(std::string_view function_name) {
  for (Function& function : functions) {
    if (function.name == function_name) return &function;
  }
  return nullptr;
}

namespace {

bool equal(const Operand& a, const Operand& b) {
  if (!a.value != !b.value) return false;
  return a.value ? a.value->name == b.value->name : *a.literal == *b.literal;
}

bool equal(const Argument& a, const Argument& b) {
  return a.name == b.name && a.is_tuple == b.is_tuple &&
         std::equal(a.operands.begin(), a.operands.end(), b.operands.begin(), b.operands.end(),
                    [](const Operand& x, const Operand& y) { return equal(x, y); });
}

bool equal(const std::vector<Value>& a, const std::vector<Value>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](Value x, Value y) { return x->name == y->name && x->type == y->type; });
}

bool equal(const Block& a, const Block& b);

bool equal(const Operation& a, const Operation& b) {
  return a.type == b.type && a.opset == b.opset && a.attributes == b.attributes &&
         equal(a.outputs, b.outputs) &&
         std::equal(a.arguments.begin(), a.arguments.end(), b.arguments.begin(), b.arguments.end(),
                    [](const Argument& x, const Argument& y) { return equal(x, y); }) &&
         std::equal(a.blocks.begin(), a.blocks.end(), b.blocks.begin(), b.blocks.end(),
                    [](const auto& x, const auto& y) { return equal(*x, *y); });
}

bool equal(const Block& a, const Block& b) {
  return equal(a.inputs, b.inputs) && equal(a.outputs, b.outputs) &&
         std::equal(a.operations.begin(), a.operations.end(), b.operations.begin(),
                    b.operations.end(), [](const auto& x, const auto& y) { return equal(*x, *y); });
}

}  // namespace

bool structurally_equal(const Function& a, const Function& b) {
  return a.name == b.name && a.opset == b.opset && a.attributes == b.attributes &&
         equal(static_cast<const Block&>(a), static_cast<const Block&>(b));
}

bool structurally_equal(const Program& a, const Program& b) {
  return a.version == b.version && a.attributes == b.attributes &&
         std::equal(a.functions.begin(), a.functions.end(), b.functions.begin(), b.functions.end(),
                    [](const Function& x, const Function& y) { return structurally_equal(x, y); });
}

}  // namespace anemone
