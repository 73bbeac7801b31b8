#include "anemone/ops/verify.h"

#include <limits>

#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"

namespace anemone {
namespace {

bool accepts(Accepts rule, DType dtype) {
  switch (rule) {
    case Accepts::kFloat:
      return is_float(dtype);
    case Accepts::kNumber:
      return is_float(dtype) || dtype == DType::kInt32;
    case Accepts::kInteger:
      return is_integer(dtype);
    case Accepts::kByte:
      return dtype == DType::kInt8 || dtype == DType::kUInt8;
    case Accepts::kBool:
      return dtype == DType::kBool;
    case Accepts::kString:
      return dtype == DType::kString;
    case Accepts::kAny:
      return dtype != DType::kString;
    case Accepts::kState:
    case Accepts::kList:
      break;
  }
  return false;
}

std::string_view describe(Accepts rule) {
  switch (rule) {
    case Accepts::kFloat:
      return "floats";
    case Accepts::kNumber:
      return "floats or int32";
    case Accepts::kInteger:
      return "integers";
    case Accepts::kByte:
      return "int8 or uint8";
    case Accepts::kBool:
      return "bools";
    case Accepts::kString:
      return "a string";
    case Accepts::kAny:
      return "numbers or bools";
    case Accepts::kState:
      return "a state";
    case Accepts::kList:
      return "a list";
  }
  return "";
}

const Param* find_param(const OpDef& def, std::string_view name) {
  for (const Param& param : def.params) {
    if (param.name == name) return &param;
  }
  return nullptr;
}

void check_type(const OpArgs& args, const OpDef& def, const Param& param, const Type& type) {
  bool fits = type.is_tensor() && accepts(param.accepts, type.dtype);
  if (param.accepts == Accepts::kState) fits = type.kind == Type::Kind::kState;
  if (param.accepts == Accepts::kList) fits = type.kind == Type::Kind::kList;
  args.require(fits, "{}: parameter '{}' takes {}, not {}", def.name, param.name,
               describe(param.accepts), to_string(type));
}

bool is_bound_as(Param::Form form, const Operand& operand) {
  if (form != Param::Form::kConst && form != Param::Form::kPacked) return true;
  if (Operation::constant(operand)) return true;
  const Operation* producer = operand.value ? operand.value->producer : nullptr;
  return form == Param::Form::kPacked && producer && is_constexpr(*producer);
}

void check_argument(const OpArgs& args, const OpDef& def, const Argument& argument) {
  const Param* param = find_param(def, argument.name);
  args.require(param != nullptr, "{} has no parameter '{}'", def.name, argument.name);
  args.require(argument.is_tuple ? param->form == Param::Form::kTuple : true,
               "{}: parameter '{}' takes one value, not a tuple", def.name, argument.name);
  args.require(!argument.operands.empty(), "{}: parameter '{}' is empty", def.name, argument.name);
  for (const Operand& operand : argument.operands) {
    check_type(args, def, *param, operand.type());
    args.require(is_bound_as(param->form, operand), "{}: parameter '{}' must be a constant",
                 def.name, argument.name);
  }
}

void check_parameters(const OpArgs& args, const OpDef& def) {
  for (const Argument& argument : args.op().arguments) check_argument(args, def, argument);
  for (const Param& param : def.params) {
    if (args.has(param.name)) continue;
    const Literal* attribute = args.op().attribute(param.name);
    args.require(param.optional || attribute, "{} needs parameter '{}'", def.name, param.name);
    // The value of a const may be of any type.
    if (attribute && is_constexpr(args.op())) check_type(args, def, param, attribute->type);
  }
}

constexpr int64_t kMaxElements = int64_t{1} << 40;

// Rules of every operation: no rule's arithmetic overflows and no kernel meets an empty tensor.
void check_sizes(const OpArgs& args, const Type& type) {
  if (!type.is_tensor() || type.dtype == DType::kString) return;
  int64_t count = 1;
  for (int64_t size : type.shape) {
    args.require(size != kUnknownSize, "any.c1: {} has an unknown size", to_string(type));
    args.require(size > 0 && size <= std::numeric_limits<int32_t>::max(),
                 "any.c2: {} has a size outside 1 to 2^31-1", to_string(type));
    args.require(count <= kMaxElements / size, "any.c3: {} has more than 2^40 elements",
                 to_string(type));
    count *= size;
  }
  const bool takes_packed = is_constexpr(args.op()) || has_trait(args.op(), Trait::kReadsPacked);
  args.require(bits(type.dtype) >= 8 || takes_packed, "any.c4: {} has elements smaller than a byte",
               to_string(type));
}

// Compile-time parameters may be empty lists or packed bits.
void check_operand_sizes(const OpArgs& args, const OpDef& def) {
  for (const Argument& argument : args.op().arguments) {
    const Param::Form form = find_param(def, argument.name)->form;
    if (form == Param::Form::kConst || form == Param::Form::kPacked) continue;
    for (const Operand& operand : argument.operands) check_sizes(args, operand.type());
  }
}

void check_declared(const OpArgs& args, const std::vector<Type>& inferred) {
  const Operation& op = args.op();
  args.require(inferred.size() == op.outputs.size(), "{} gives {} values, {} are named", op.type,
               inferred.size(), op.outputs.size());
  for (size_t i = 0; i < inferred.size(); ++i) {
    args.require(inferred[i] == op.outputs[i]->type, "'{}' is declared {}, but {} gives {}",
                 op.outputs[i]->name, to_string(op.outputs[i]->type), op.type,
                 to_string(inferred[i]));
  }
}

}  // namespace

std::vector<Type> infer_types(const Operation& op) {
  const OpDef& def = get_op(op);
  const OpArgs args(op);
  args.require(op.blocks.size() == def.blocks, "{} takes {} blocks, and has {}", def.name,
               def.blocks == 0 ? "no" : std::to_string(def.blocks), op.blocks.size());
  check_parameters(args, def);
  check_operand_sizes(args, def);
  std::vector<Type> types = def.infer(args);
  if (is_const(op)) return types;
  for (const Type& type : types) check_sizes(args, type);
  return types;
}

std::vector<Diagnostic> verify_operation(const Operation& op) {
  std::vector<Diagnostic> diagnostics;
  try {
    check_declared(OpArgs(op), infer_types(op));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidInput) throw;
    diagnostics.push_back({error.where(), error.message(), error.hint()});
  }
  for (const auto& block : op.blocks) {
    for_each_operation(*block, [&](const Operation& nested) {
      for (Diagnostic& found : verify_operation(nested)) diagnostics.push_back(std::move(found));
    });
  }
  return diagnostics;
}

std::vector<Diagnostic> verify(const Function& function) {
  std::vector<Diagnostic> diagnostics = verify_structure(function);
  for_each_operation(function, [&](const Operation& op) {
    for (Diagnostic& found : verify_operation(op)) diagnostics.push_back(std::move(found));
  });
  return diagnostics;
}

std::vector<Diagnostic> verify(const Program& program) {
  std::vector<Diagnostic> diagnostics;
  for (const Function& function : program.functions) {
    for (Diagnostic& found : verify(function)) diagnostics.push_back(std::move(found));
  }
  return diagnostics;
}

void require_valid(const Function& function) {
  const std::vector<Diagnostic> diagnostics = verify(function);
  if (diagnostics.empty()) return;
  const Diagnostic& first = diagnostics[0];
  std::string message = first.message;
  if (diagnostics.size() > 1) {
    message += fmt::format("; {} more finding(s)", diagnostics.size() - 1);
  }
  fail(first.where, message, first.hint);
}

}  // namespace anemone
