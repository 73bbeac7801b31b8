#include "anemone/ops/registry.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

// The operation behind reshapes; null for an input.
const Operation* behind_views(Value value) {
  while (value->producer && is_view(*value->producer)) {
    const Value source = OpArgs(*value->producer).value("x");
    if (!source) break;
    value = source;
  }
  return value->producer;
}

// The results of additions whose second operand, and what it is a view of, nothing else reads:
// what is read elsewhere too would be computed twice.
std::unordered_set<Value> sums_of_one_use(const Function& function) {
  const std::unordered_map<Value, int> uses = count_uses(function);
  std::unordered_set<Value> sums;
  for (const auto& op : function.operations) {
    if (op->type != "add") continue;
    Value term = OpArgs(*op).value("y");
    while (term && uses.at(term) == 1 && term->producer && is_view(*term->producer)) {
      term = OpArgs(*term->producer).value("x");
    }
    if (term && uses.at(term) == 1) sums.insert(op->outputs[0]);
  }
  return sums;
}

bool is_zero(Value value) {
  if (!value) return false;
  const Operation* op = behind_views(value);
  if (op && op->type == "fill") return OpArgs(*op).number("value", 0.0) == 0;
  const Literal* literal = constant_of(value);
  if (!literal || !literal->tensor) return false;
  for (int64_t i = 0; i < literal->tensor->size(); ++i) {
    if (literal->tensor->at(i) != 0) return false;
  }
  return true;
}

std::optional<std::vector<Value>> fuse_matmul(Builder& b, Value sum, const OpArgs& matmul) {
  const Shape& product = matmul.op().outputs[0]->type.shape;
  if (!is_float(sum->type.dtype) || matmul.shape("x").size() != 2 || matmul.shape("y").size() != 2)
    return std::nullopt;
  if (element_count(product) != element_count(sum->type.shape)) return std::nullopt;
  const Value fused = b.op("anemone.matmul_add",
                           {{"sum", b.reshape(sum, product)},
                            {"x", matmul.operand("x")},
                            {"y", matmul.operand("y")},
                            {"transpose_x", b.boolean(matmul.boolean("transpose_x", false))},
                            {"transpose_y", b.boolean(matmul.boolean("transpose_y", false))}});
  return std::vector{b.reshape(fused, sum->type.shape)};
}

std::optional<std::vector<Value>> fuse_scatter(Builder& b, Value sum, const OpArgs& scatter) {
  if (scatter.text("mode", "add") != "add" || scatter.type("data") != sum->type ||
      !is_zero(scatter.value("data"))) {
    return std::nullopt;
  }
  std::vector<Argument> arguments = scatter.op().arguments;
  for (Argument& argument : arguments) {
    if (argument.name == "data") argument.operands = {Operand(sum)};
  }
  return b.ops("scatter", std::move(arguments));
}

// The operation can add to a sum itself.
std::optional<std::vector<Value>> fuse_sum(Builder& b, Value sum, const Operation& op) {
  std::vector<Argument> arguments = op.arguments;
  arguments.insert(arguments.begin(), Argument("sum", sum));
  return b.ops(op.type, std::move(arguments));
}

}  // namespace

bool fuse_accumulation(Function& function) {
  const std::unordered_set<Value> sums = sums_of_one_use(function);
  return rewrite(
      function, [&](Builder& b, const Operation& op) -> std::optional<std::vector<Value>> {
        if (!sums.contains(op.outputs[0])) return std::nullopt;
        const OpArgs add(op);
        const Value sum = add.value("x"), term = add.value("y");
        if (!sum || !term || sum->producer || sum->type != term->type) return std::nullopt;
        const Operation* source = behind_views(term);
        if (source && source->type == "matmul") return fuse_matmul(b, sum, OpArgs(*source));
        if (source && source == term->producer && source->type == "scatter") {
          return fuse_scatter(b, sum, OpArgs(*source));
        }
        if (source && source == term->producer &&
            source->type == "anemone.classifier_weight_gradient" && !source->find("sum")) {
          return fuse_sum(b, sum, *source);
        }
        return std::nullopt;
      });
}

}  // namespace anemone
