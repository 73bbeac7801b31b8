// Control flow with nested blocks, and states. `captured` is what a device gives an operation whose
// blocks were closed (passes/close_blocks.h): the outer values that they read.
#include "anemone/ops/families.h"
#include "anemone/ops/op_def.h"

namespace anemone {
namespace {

constexpr Param optional_tuple(std::string_view name, Accepts accepts) {
  return {name, accepts, Param::Form::kTuple, true};
}

constexpr Param kCond[] = {param("pred", Accepts::kBool),
                           optional_tuple("captured", Accepts::kAny)};
constexpr Param kWhile[] = {tuple_param("loop_vars", Accepts::kAny),
                            optional_tuple("captured", Accepts::kAny)};
constexpr Param kRead[] = {param("input", Accepts::kState)};
constexpr Param kWrite[] = {param("input", Accepts::kState), param("data", Accepts::kAny)};

std::vector<Type> types_of(const std::vector<Value>& values) {
  std::vector<Type> types;
  for (Value value : values) types.push_back(value->type);
  return types;
}

std::string listed(const std::vector<Type>& types) {
  std::string text;
  for (const Type& type : types) text += (text.empty() ? "" : ", ") + to_string(type);
  return "(" + text + ")";
}

size_t captured_count(const OpArgs& args) {
  return args.has("captured") ? args.operands("captured").size() : 0;
}

std::vector<Type> infer_cond(const OpArgs& args) {
  args.require(args.type("pred").is_scalar(), "cond.c1: pred is {}, not one bool",
               to_string(args.type("pred")));
  const Block &yes = *args.op().blocks[0], &no = *args.op().blocks[1];
  for (const Block* block : {&yes, &no}) {
    args.require(block->inputs.size() == captured_count(args), "cond.c2: a branch has parameters");
  }
  const std::vector<Type> types = types_of(yes.outputs), others = types_of(no.outputs);
  args.require(types == others, "cond.c3: the branches return {} and {}", listed(types),
               listed(others));
  return types;
}

// The loop's variables; both blocks take them, and the body returns the next ones.
std::vector<Type> infer_while(const OpArgs& args) {
  std::vector<Type> types;
  for (const Operand& operand : args.operands("loop_vars")) types.push_back(operand.type());
  std::vector<Type> inputs = types;
  if (args.has("captured")) {
    for (const Operand& operand : args.operands("captured")) inputs.push_back(operand.type());
  }
  const Block &condition = *args.op().blocks[0], &body = *args.op().blocks[1];
  for (const Block* block : {&condition, &body}) {
    const std::vector<Type> own = types_of(block->inputs);
    args.require(own == inputs, "while_loop.c1: a block takes {}, loop_vars are {}", listed(own),
                 listed(types));
  }
  args.require(types_of(condition.outputs) == std::vector{Type::tensor(DType::kBool)},
               "while_loop.c2: the condition returns {}, not one bool",
               listed(types_of(condition.outputs)));
  const std::vector<Type> next = types_of(body.outputs);
  args.require(next == types, "while_loop.c3: the body returns {}, loop_vars are {}", listed(next),
               listed(types));
  return types;
}

std::vector<Type> infer_read(const OpArgs& args) { return {args.type("input").parts.at(0)}; }

std::vector<Type> infer_write(const OpArgs& args) {
  args.require(args.type("data") == args.type("input").parts.at(0),
               "write_state.c1: data are {}, the state holds {}", to_string(args.type("data")),
               to_string(args.type("input").parts[0]));
  return {};
}

// Those of the interpreter (evaluate.cpp) and of devices, which see the blocks: no row's kernel
// can.
const OpDef kOps[] = {
    {.name = "cond", .params = kCond, .infer = infer_cond, .blocks = 2},
    {.name = "while_loop", .params = kWhile, .infer = infer_while, .blocks = 2},
    {.name = "read_state",
     .params = kRead,
     .infer = infer_read,
     .since = Opset::kIos18,
     .traits = Trait::kState},
    {.name = "write_state",
     .params = kWrite,
     .infer = infer_write,
     .since = Opset::kIos18,
     .traits = Trait::kState},
};

}  // namespace

std::span<const OpDef> control_ops() { return kOps; }

}  // namespace anemone
