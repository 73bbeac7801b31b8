#include <algorithm>

#include "anemone/ops/registry.h"
#include "anemone/passes/passes.h"

namespace anemone {
namespace {

bool is_factor(const Operation& op, const std::string& argument) {
  if (op.type.starts_with("anemone.causal_attention")) {
    return argument == "q" || argument == "k" || argument == "v" || argument == "dy";
  }
  if (op.type == "matmul" || op.type == "anemone.matmul_add") {
    return argument == "x" || argument == "y";
  }
  return (op.type == "conv" || op.type == "conv_transpose") && argument == "x";
}

// Whether nothing reads the value, or a view of it, but products.
bool is_only_factor(const Function& function, Value value) {
  for (const auto& op : function.operations) {
    for (const Argument& argument : op->arguments) {
      for (const Operand& operand : argument.operands) {
        if (operand.value != value || is_factor(*op, argument.name)) continue;
        if (!is_view(*op) || !is_only_factor(function, op->outputs[0])) return false;
      }
    }
    if (is_view(*op) && OpArgs(*op).value("x") == value &&
        std::find(function.outputs.begin(), function.outputs.end(), op->outputs[0]) !=
            function.outputs.end()) {
      return false;
    }
  }
  return true;
}

// What products make is added up in fp32 memory: to round it would be another pass over it.
bool is_product(Value value) {
  while (value->producer && is_view(*value->producer) && OpArgs(*value->producer).value("x")) {
    value = OpArgs(*value->producer).value("x");
  }
  static const std::set<std::string> types = {"conv", "conv_transpose", "matmul",
                                              "anemone.matmul_add"};
  return value->producer && types.contains(value->producer->type);
}

// A product with one column rounds nothing.
bool has_columns(const Type& type) {
  return type.is_tensor() && type.dtype == DType::kFp32 && type.shape.size() >= 2 &&
         type.shape.back() > 1;
}

std::unique_ptr<Operation> cast(Function& function, Value from, const std::string& name,
                                DType dtype) {
  auto op = std::make_unique<Operation>();
  op->type = "cast";
  op->arguments.emplace_back("x", from);
  op->arguments.emplace_back("dtype", Operand(Literal::of(std::string(anemone::name(dtype)))));
  op->outputs.push_back(
      function.add_variable(name, Type::tensor(dtype, from->type.shape), op.get()));
  return op;
}

void narrow_output(Function& function, Value output, DType dtype) {
  const std::string name = output->name;
  function.rename(output, function.fresh_name(name + "_wide"));
  function.operations.push_back(cast(function, output, name, dtype));
  std::replace(function.outputs.begin(), function.outputs.end(), output,
               function.operations.back()->outputs[0]);
}

void narrow_input(Function& function, Value input, DType dtype) {
  const DType wide = input->type.dtype;
  input->type.dtype = dtype;
  auto widened = cast(function, input, function.fresh_name(input->name + "_wide"), wide);
  for (const auto& op : function.operations) {
    for (Argument& argument : op->arguments) {
      for (Operand& operand : argument.operands) {
        if (operand.value == input) operand.value = widened->outputs[0];
      }
    }
  }
  function.operations.insert(function.operations.begin(), std::move(widened));
}

Value input_called(const Function& function, const std::string& name) {
  const auto found = std::find_if(function.inputs.begin(), function.inputs.end(),
                                  [&](Value input) { return input->name == name; });
  return found == function.inputs.end() ? nullptr : *found;
}

}  // namespace

bool narrow_ports(std::span<Function* const> functions, const std::set<std::string>& kept,
                  DType dtype) {
  bool changed = false;
  for (Function* maker : functions) {
    for (Value output : std::vector<Value>(maker->outputs)) {
      if (kept.contains(output->name) || !has_columns(output->type) || is_product(output)) continue;
      std::vector<Function*> readers;
      std::copy_if(functions.begin(), functions.end(), std::back_inserter(readers),
                   [&](Function* other) { return input_called(*other, output->name) != nullptr; });
      const bool narrow = std::all_of(readers.begin(), readers.end(), [&](Function* reader) {
        return is_only_factor(*reader, input_called(*reader, output->name));
      });
      if (readers.empty() || !narrow || !is_only_factor(*maker, output)) continue;
      for (Function* reader : readers) {
        narrow_input(*reader, input_called(*reader, output->name), dtype);
      }
      narrow_output(*maker, output, dtype);
      changed = true;
    }
  }
  return changed;
}

}  // namespace anemone
