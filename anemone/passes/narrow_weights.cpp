#include <algorithm>

#include "anemone/ir/stage.h"
#include "anemone/ops/op_args.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

// Linear layers and tables are all that is known to widen what it reads.
bool reads_narrow(const Operation& op, Value weight) {
  const OpArgs args(op);
  if (op.type == "gather") return args.value("x") == weight;
  return op.type == "conv" && args.value("weight") == weight && !args.has("bias") &&
         args.shape("weight").size() == 4 && args.shape("weight")[2] == 1 &&
         args.shape("weight")[3] == 1 && args.shape("x")[2] == 1;
}

bool is_used_by(const Operation& op, Value value) {
  for (const Argument& argument : op.arguments) {
    for (const Operand& operand : argument.operands) {
      if (operand.value == value) return true;
    }
  }
  return false;
}

bool may_narrow(const Function& function, Value input) {
  if (input->type.dtype != DType::kFp32 || input->type.shape.size() < 2) return false;
  return std::all_of(function.operations.begin(), function.operations.end(), [&](const auto& op) {
    return !is_used_by(*op, input) || reads_narrow(*op, input);
  });
}

std::string scale_input(const std::string& weight) { return weight + "_scale"; }

// Where a stored weight has one, its scale.
Value scale_of(Builder& b, Value weight) {
  if (weight->type.dtype != DType::kInt8) return nullptr;
  return b.function().find(scale_input(weight->name));
}

Value narrow_linear(Builder& b, const OpArgs& args, Value weight) {
  std::vector<Argument> arguments = {{"x", args.value("x")}, {"weight", weight}};
  if (const Value scale = scale_of(b, weight)) arguments.push_back({"scale", scale});
  return b.op("anemone.narrow_linear", std::move(arguments));
}

Value narrow_gather(Builder& b, const OpArgs& args, Value table) {
  const auto pick = [&](Value from) {
    return b.op(
        "gather",
        {{"x", from}, {"indices", args.operand("indices")}, {"axis", args.operand("axis")}});
  };
  const Value rows = b.cast(pick(table), DType::kFp32);
  const Value scale = scale_of(b, table);
  if (!scale) return rows;
  return b.mul(rows, b.reshape(pick(scale), {rows->type.shape[0], 1}));
}

// The scales that narrow_weights() gave a stage, as its weights.
void bind_scales(StageChain& chain, size_t index) {
  Stage& stage = chain.stages[index];
  const size_t count = stage.weights.size();
  for (size_t w = 0; w < count; ++w) {
    const std::string scale = scale_input(stage.weights[w]);
    if (!stage.function.find(scale)) continue;
    stage.weights.push_back(scale);
    for (StageUse& use : chain.uses) {
      if (use.stage == index) use.parameters.push_back(scale_parameter(use.parameters[w]));
    }
  }
}

}  // namespace

bool narrow_weights(Function& function, std::span<const std::string> weights, DType dtype) {
  std::vector<Value> stored;
  for (Value input : function.inputs) {
    const bool is_weight = std::find(weights.begin(), weights.end(), input->name) != weights.end();
    if (is_weight && may_narrow(function, input)) stored.push_back(input);
  }
  for (Value input : stored) {
    input->type.dtype = dtype;
    if (dtype != DType::kInt8) continue;
    function.add_input(scale_input(input->name),
                       Type::tensor(DType::kFp32, {input->type.shape[0]}));
  }
  return rewrite(function,
                 [&](Builder& b, const Operation& op) -> std::optional<std::vector<Value>> {
                   const OpArgs args(op);
                   if (op.type != "gather" && op.type != "conv") return std::nullopt;
                   const Value weight = args.value(op.type == "gather" ? "x" : "weight");
                   if (!weight || weight->type.dtype != dtype) return std::nullopt;
                   return std::vector{op.type == "conv" ? narrow_linear(b, args, weight)
                                                        : narrow_gather(b, args, weight)};
                 });
}

void narrow_weights(StageChain& chain, DType dtype) {
  for (size_t i = 0; i < chain.stages.size(); ++i) {
    narrow_weights(chain.stages[i].function, chain.stages[i].weights, dtype);
    bind_scales(chain, i);
  }
}

std::string scale_parameter(const std::string& parameter) { return parameter + ".scale"; }

}  // namespace anemone
