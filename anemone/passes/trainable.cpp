#include "anemone/passes/trainable.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"

namespace anemone {
namespace {

// Why a constant that stands for this parameter is not trained; empty if it can be.
std::string obstacle_of(const Operation& reader, const std::string& parameter) {
  const OpDef* def = find_op(reader.type);
  if (!def || reader.outputs.empty()) return "";
  const std::string place =
      fmt::format("'{}' of {} '{}'", parameter, reader.type, reader.outputs[0]->name);
  if (reader.type == "batch_norm" && (parameter == "mean" || parameter == "variance")) {
    return "it is " + place + ", a statistic that stays as it is; gamma and beta can be trained";
  }
  const auto row = std::find_if(def->params.begin(), def->params.end(),
                                [&](const Param& param) { return param.name == parameter; });
  const bool fixed = row != def->params.end() && row->form != Param::Form::kValue &&
                     row->form != Param::Form::kTuple;
  return fixed ? "it is " + place + ", which must be constant" : "";
}

// The first obstacle of each constant among those who read it.
std::unordered_map<Value, std::string> obstacles(const Function& function) {
  std::unordered_map<Value, std::string> found;
  walk(function, [&](const Operation& op) {
    for (const Argument& argument : op.arguments) {
      for (const Operand& operand : argument.operands) {
        std::string& known = found[operand.value];
        if (known.empty()) known = obstacle_of(op, argument.name);
      }
    }
  });
  return found;
}

// Why the numbers of a constant themselves cannot be trained.
std::string obstacle_of(const Type& type) {
  if (!type.is_tensor()) return "it is no tensor";
  if (type.dtype == DType::kFp16 || type.dtype == DType::kFp32) return "";
  return fmt::format("its elements are {}", name(type.dtype));
}

}  // namespace

std::vector<ConstantRole> constant_roles(const Function& function) {
  const auto by_readers = obstacles(function);
  std::vector<ConstantRole> roles;
  for (const auto& op : function.operations) {
    const bool packed = is_constexpr(*op);
    if (!is_const(*op) && !packed) continue;
    const Value value = op->outputs[0];
    ConstantRole role{value, obstacle_of(value->type), packed};
    if (packed) role.obstacle = fmt::format("it is packed, a {}", op->type);
    const auto known = by_readers.find(value);
    if (role.obstacle.empty() && known != by_readers.end()) role.obstacle = known->second;
    roles.push_back(std::move(role));
  }
  return roles;
}

std::vector<Tensor> constants_to_inputs(Function& function, const std::vector<Value>& constants) {
  std::vector<Tensor> numbers;
  for (Value constant : constants) {
    const Literal* literal = constant_of(constant);
    ANEMONE_CHECK(literal && literal->tensor);
    numbers.push_back(literal->tensor->clone());
    function.inputs.push_back(constant);
    std::erase_if(function.operations,
                  [&](const auto& op) { return op.get() == constant->producer; });
    constant->producer = nullptr;
  }
  return numbers;
}

Value find_result(const Function& function, const std::string& name) {
  for (const auto& op : function.operations) {
    for (Value output : op->outputs) {
      if (output->name == name) return output;
    }
  }
  return nullptr;
}

std::vector<std::string> result_names(const Function& function) {
  std::vector<std::string> names;
  for (const auto& op : function.operations) {
    for (Value output : op->outputs) {
      if (!is_const(*op)) names.push_back(output->name);
    }
  }
  return names;
}

std::vector<std::string> results_beside_floats(const Function& function) {
  std::vector<std::string> names;
  const auto is_float_tensor = [](const Type& type) {
    return type.is_tensor() && type.dtype == DType::kFp32;
  };
  for (const auto& op : function.operations) {
    if (is_const(*op)) continue;
    bool beside = false;
    for_each_operand(*op, [&](const Operand& operand) {
      beside |= !Operation::constant(operand) && !is_float_tensor(operand.type());
    });
    for (Value output : op->outputs) beside |= !is_float_tensor(output->type);
    for (Value output : op->outputs) {
      if (beside) names.push_back(output->name);
    }
  }
  return names;
}

void require_straight_line(const Function& function) {
  for (Value input : function.inputs) {
    if (input->type.kind != Type::Kind::kState) continue;
    fail("state '" + input->name + "'", "the result depends on a state, which no gradient passes",
         "--output a value that does not");
  }
  for (const auto& op : function.operations) {
    if (op->blocks.empty()) continue;
    fail(op->where(), fmt::format("{} has no gradient, and the result needs it", op->type),
         "--output a value that does not need it");
  }
}

Value softmax_operand(Value value) {
  while (value->producer) {
    const Operation& op = *value->producer;
    const OpArgs args(op);
    if (op.type == "softmax") return args.value("x");
    const bool passes = is_view(op) || is_cast(op);
    if (!passes || !args.value("x")) return nullptr;
    value = args.value("x");
  }
  return nullptr;
}

}  // namespace anemone
