#include <algorithm>
#include <map>

#include "anemone/ir/uses.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"
#include "anemone/passes/passes.h"

namespace anemone {
namespace {

// Operands that products round, by the operation's type; those of attention's products too.
const std::map<std::string_view, std::vector<std::string_view>>& factors() {
  static const std::map<std::string_view, std::vector<std::string_view>> all = {
      {"conv", {"x"}},
      {"conv_transpose", {"x"}},
      {"matmul", {"x", "y"}},
      {"anemone.matmul_add", {"x", "y"}},
      {"anemone.causal_attention", {"q", "k", "v"}},
      {"anemone.causal_attention_backward", {"q", "k", "v", "dy"}}};
  return all;
}

bool is_factor(const Operation& op, std::string_view argument) {
  const auto found = factors().find(op.type);
  return found != factors().end() &&
         std::find(found->second.begin(), found->second.end(), argument) != found->second.end();
}

// Whether nothing reads the value of a port, or a view of it, but products.
bool is_only_factor(const Uses& uses, Value value, bool is_port = true) {
  for (const Operation* reader : uses.readers(value)) {
    if (!reader && is_port) continue;
    if (!reader) return false;
    for (const Argument& argument : reader->arguments) {
      for (const Operand& operand : argument.operands) {
        if (operand.value != value || is_factor(*reader, argument.name)) continue;
        if (!is_view(*reader) || !is_only_factor(uses, reader->outputs[0], false)) return false;
      }
    }
  }
  return true;
}

// What products make is added up in fp32 memory: to round it would be another pass over it.
bool is_product_result(Value value) {
  const Operation* source = root_operation(value);
  return source && is_product(*source);
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
  replace_operands(function, input, widened->outputs[0]);
  function.operations.insert(function.operations.begin(), std::move(widened));
}

Value input_called(const Function& function, const std::string& name) {
  const auto found = std::find_if(function.inputs.begin(), function.inputs.end(),
                                  [&](Value input) { return input->name == name; });
  return found == function.inputs.end() ? nullptr : *found;
}

Value output_called(const Function& function, const std::string& name) {
  const auto found = std::find_if(function.outputs.begin(), function.outputs.end(),
                                  [&](Value output) { return output->name == name; });
  return found == function.outputs.end() ? nullptr : *found;
}

// Functions that hand a value on under one name, and those that take it.
struct Port {
  std::string name;
  std::vector<Function*> makers, readers;

  Port(std::span<Function* const> functions, const std::string& port) : name(port) {
    for (Function* function : functions) {
      if (output_called(*function, name)) makers.push_back(function);
      if (input_called(*function, name)) readers.push_back(function);
    }
  }

  bool may_be_narrow() const {
    return !readers.empty() &&
           std::all_of(makers.begin(), makers.end(),
                       [&](const Function* maker) {
                         const Value output = output_called(*maker, name);
                         return has_columns(output->type) && !is_product_result(output) &&
                                is_only_factor(Uses(*maker), output);
                       }) &&
           std::all_of(readers.begin(), readers.end(), [&](const Function* reader) {
             return is_only_factor(Uses(*reader), input_called(*reader, name));
           });
  }

  void narrow(DType dtype) {
    for (Function* reader : readers) narrow_input(*reader, input_called(*reader, name), dtype);
    for (Function* maker : makers) narrow_output(*maker, output_called(*maker, name), dtype);
  }
};

}  // namespace

bool narrow_ports(std::span<Function* const> functions, const std::set<std::string>& kept,
                  DType dtype) {
  std::set<std::string> names;
  for (const Function* maker : functions) {
    for (Value output : maker->outputs) names.insert(output->name);
  }
  bool changed = false;
  for (const std::string& name : names) {
    Port port(functions, name);
    if (kept.contains(name) || !port.may_be_narrow()) continue;
    port.narrow(dtype);
    changed = true;
  }
  return changed;
}

}  // namespace anemone
