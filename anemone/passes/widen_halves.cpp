#include "anemone/passes/widen_halves.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"

namespace anemone {
namespace {

bool is_half(const Type& type) { return type.is_tensor() && type.dtype == DType::kFp16; }

// The scales of weights that are packed: part of how those are stored.
bool is_storage(const Operation& op, const Argument& argument) {
  return has_trait(op, Trait::kReadsPacked) && argument.name == "scale";
}

// Whether a result is fp16, or an operand of an operation that mixes fp16 and fp32.
bool touches_halves(const Operation& op) {
  for (Value output : op.outputs) {
    if (is_half(output->type)) return true;
  }
  for (const Argument& argument : op.arguments) {
    if (is_storage(op, argument)) continue;
    for (const Operand& operand : argument.operands) {
      if (is_half(operand.type())) return true;
    }
  }
  return false;
}

void widen(Type& type) {
  if (is_half(type)) type.dtype = DType::kFp32;
}

Literal widened(const Literal& literal) {
  Literal result = literal;
  widen(result.type);
  if (!literal.tensor) return result;
  Tensor tensor =
      is_half(literal.type) ? literal.tensor->cast(DType::kFp32) : literal.tensor->clone();
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

bool are_halves(const OpArgs& args, const std::vector<const char*>& names) {
  return std::all_of(names.begin(), names.end(), [&](const char* name) {
    const Tensor tensor = Tensor::of<double>({1}, {args.number(name)});
    return tensor.cast(DType::kFp16).view().at(0) == args.number(name);
  });
}

// The parameters between which an operation keeps x, where that is all it does.
std::vector<const char*> limits_of(const Operation& op) {
  static const std::map<std::string_view, std::vector<const char*>> all = {
      {"clip", {"alpha", "beta"}}, {"threshold", {"alpha"}}};
  const auto found = all.find(op.type);
  return found == all.end() ? std::vector<const char*>() : found->second;
}

// Whether every result is an operand, a limit, a magnitude or a whole number: of fp16 numbers they
// are fp16 numbers.
bool makes_no_digits(const Operation& op) {
  if (has_trait(op, Trait::kExact)) return true;
  const auto limits = limits_of(op);
  return !limits.empty() && are_halves(OpArgs(op), limits);
}

// Whether results of fp32 arithmetic may be no fp16 numbers.
bool rounds(const Operation& op) {
  if (!is_half(op.outputs[0]->type) || makes_no_digits(op)) return false;
  const OpDef* def = find_op(op.type);
  return is_cast(op) || !def || def->flops != nullptr;
}

void widen_operation(Operation& op) {
  require_loaded(op);
  if (is_cast(op)) widen_target(op);
  for (Attribute& attribute : op.attributes) attribute.value = widened(attribute.value);
  for (Argument& argument : op.arguments) {
    for (Operand& operand : argument.operands) {
      if (operand.literal) operand = Operand(widened(*operand.literal));
    }
  }
}

std::unique_ptr<Operation> make_cast(Value from, DType dtype) {
  auto op = std::make_unique<Operation>();
  op->type = "cast";
  op->arguments.emplace_back("x", from);
  op->arguments.emplace_back("dtype", Operand(Literal::of(std::string(name(dtype)))));
  return op;
}

// `port` gets fp16 back; everything reads what it is cast to.
void restore_input(Function& function, Value port) {
  auto op = make_cast(port, DType::kFp32);
  const std::string name = function.fresh_name(port->name + "_fp32");
  const Value inner = function.add_variable(name, port->type, op.get());
  op->outputs = {inner};
  replace_uses(function, port, inner);
  port->type.dtype = DType::kFp16;
  function.operations.insert(function.operations.begin(), std::move(op));
}

void restore_output(Function& function, Value wide) {
  const std::string port = wide->name;
  function.rename(wide, function.fresh_name(port + "_fp32"));
  auto op = make_cast(wide, DType::kFp16);
  const Type type = Type::tensor(DType::kFp16, wide->type.shape);
  op->outputs = {function.add_variable(port, type, op.get())};
  std::replace(function.outputs.begin(), function.outputs.end(), wide, op->outputs[0]);
  function.operations.push_back(std::move(op));
}

// Rebuilds the list of operations. Those with blocks keep their types, and their blocks too: what
// they read is cast to fp16 in front of them, and their results to fp32 behind.
class Widener {
 public:
  explicit Widener(Function& function) : function_(function) {}

  std::unordered_set<const Operation*> run() {
    for (Value input : function_.inputs) widen_value(input);
    for (auto& op : function_.operations) {
      op->blocks.empty() ? append_widened(std::move(op)) : append_kept(std::move(op));
    }
    function_.operations = std::move(operations_);
    return std::move(rounded_);
  }

 private:
  void widen_value(Value value) {
    if (is_half(value->type)) widened_.insert(value);
    widen(value->type);
  }

  // What stands for a result of an operation with blocks, or the value itself.
  Value read_as(Value value) const {
    const auto found = wide_results_.find(value);
    return found == wide_results_.end() ? value : found->second;
  }

  void append_widened(std::unique_ptr<Operation> op) {
    if (rounds(*op)) rounded_.insert(op.get());
    widen_operation(*op);
    for (Value output : op->outputs) widen_value(output);
    for_each_operand(*op, [&](Operand& operand) {
      if (operand.value) operand.value = read_as(operand.value);
    });
    operations_.push_back(std::move(op));
  }

  void append_kept(std::unique_ptr<Operation> op) {
    for_each_operand(*op, [&](Operand& operand) {
      if (widened_.contains(operand.value)) {
        operand.value = append_cast(operand.value, DType::kFp16, "_fp16");
      }
    });
    const std::vector<Value> outputs = op->outputs;
    operations_.push_back(std::move(op));
    for (Value output : outputs) {
      if (!is_half(output->type)) continue;
      const Value wide = append_cast(output, DType::kFp32, "_fp32");
      wide_results_[output] = wide;
    }
  }

  Value append_cast(Value from, DType dtype, const char* suffix) {
    auto op = make_cast(from, dtype);
    const Value result = function_.add_variable(function_.fresh_name(from->name + suffix),
                                                Type::tensor(dtype, from->type.shape), op.get());
    op->outputs = {result};
    operations_.push_back(std::move(op));
    return result;
  }

  Function& function_;
  std::vector<std::unique_ptr<Operation>> operations_;
  std::unordered_set<const Operation*> rounded_;
  std::unordered_set<Value> widened_;              // fp16 ones that are fp32 now
  std::unordered_map<Value, Value> wide_results_;  // of operations with blocks
};

// The fp16 ones, each once.
std::vector<Value> halves_among(const std::vector<Value>& values) {
  std::vector<Value> halves;
  for (Value value : values) {
    const bool is_new = std::find(halves.begin(), halves.end(), value) == halves.end();
    if (is_half(value->type) && is_new) halves.push_back(value);
  }
  return halves;
}

}  // namespace

std::unordered_set<const Operation*> widen_halves(Function& function) {
  return Widener(function).run();
}

std::unordered_set<const Operation*> widen_halves_between_ports(Function& function) {
  const std::vector<Value> inputs = halves_among(function.inputs);
  const std::vector<Value> outputs = halves_among(function.outputs);
  auto rounded = widen_halves(function);
  for (Value output : outputs) {
    if (!is_half(output->type)) restore_output(function, output);
  }
  for (Value input : inputs) restore_input(function, input);
  return rounded;
}

bool has_halves(const Function& function) {
  return std::any_of(function.operations.begin(), function.operations.end(), [](const auto& op) {
    return !is_const(*op) && !is_cast(*op) && !is_view(*op) && touches_halves(*op);
  });
}

}  // namespace anemone
