#include <algorithm>

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

}  // namespace

bool narrow_weights(Function& function, std::span<const std::string> weights, DType dtype) {
  for (Value input : function.inputs) {
    const bool is_weight = std::find(weights.begin(), weights.end(), input->name) != weights.end();
    if (is_weight && may_narrow(function, input)) input->type.dtype = dtype;
  }
  return rewrite(
      function, [&](Builder& b, const Operation& op) -> std::optional<std::vector<Value>> {
        const OpArgs args(op);
        const char* name = op.type == "gather" ? "x" : "weight";
        if (op.type != "gather" && op.type != "conv") return std::nullopt;
        const Value weight = args.value(name);
        if (!weight || weight->type.dtype != dtype) return std::nullopt;
        if (op.type == "conv") {
          return std::vector{
              b.op("anemone.narrow_linear", {{"x", args.value("x")}, {"weight", weight}})};
        }
        const Value rows = b.op(
            "gather",
            {{"x", weight}, {"indices", args.operand("indices")}, {"axis", args.operand("axis")}});
        return std::vector{b.cast(rows, DType::kFp32)};
      });
}

}  // namespace anemone
