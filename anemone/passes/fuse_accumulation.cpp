#include "anemone/ir/uses.h"
#include "anemone/ops/query.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

// The results of additions whose second operand, and what it is a view of, nothing else reads:
// what is read elsewhere too would be computed twice.
std::unordered_set<Value> sums_of_one_use(const Function& function) {
  const Uses uses(function);
  std::unordered_set<Value> sums;
  for_each_of_type(function, "add", [&](Operation& op) {
    Value term = OpArgs(op).value("y");
    while (term && uses.count(term) == 1 && term->producer && is_view(*term->producer)) {
      term = OpArgs(*term->producer).value("x");
    }
    if (term && uses.count(term) == 1) sums.insert(op.outputs[0]);
  });
  return sums;
}

bool is_zero(Value value) {
  if (!value) return false;
  const Operation* op = root_operation(value);
  if (op && has_trait(*op, Trait::kFill)) return OpArgs(*op).number("value", 0.0) == 0;
  const Literal* literal = constant_of(value);
  if (!literal || !literal->tensor) return false;
  for (int64_t i = 0; i < literal->tensor->size(); ++i) {
    if (literal->tensor->at(i) != 0) return false;
  }
  return true;
}

Replacement fuse_matmul(Builder& b, Value sum, const OpArgs& matmul) {
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

Replacement fuse_scatter(Builder& b, Value sum, const OpArgs& scatter) {
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
Replacement fuse_sum(Builder& b, Value sum, const OpArgs& args) {
  if (args.has("sum")) return std::nullopt;
  std::vector<Argument> arguments = args.op().arguments;
  arguments.insert(arguments.begin(), Argument("sum", sum));
  return b.ops(args.op().type, std::move(arguments));
}

// What can add its result to a sum, by type.
struct Fusion {
  std::string_view type;
  Replacement (*fuse)(Builder& b, Value sum, const OpArgs& term);
  bool through_views;
};
constexpr Fusion kFusions[] = {{"matmul", fuse_matmul, true},
                               {"scatter", fuse_scatter, false},
                               {"anemone.classifier_weight_gradient", fuse_sum, false}};

Replacement fuse_add(Builder& b, const OpArgs& add) {
  const Value sum = add.value("x"), term = add.value("y");
  if (!sum || !term || sum->producer || sum->type != term->type) return std::nullopt;
  const Operation* source = root_operation(term);
  for (const Fusion& fusion : kFusions) {
    if (!source || source->type != fusion.type) continue;
    if (source != term->producer && !fusion.through_views) return std::nullopt;
    return fusion.fuse(b, sum, OpArgs(*source));
  }
  return std::nullopt;
}

}  // namespace

bool fuse_accumulation(Function& function) {
  const std::unordered_set<Value> sums = sums_of_one_use(function);
  return rewrite(function, {{"add", [&](Builder& b, const OpArgs& add) {
                               return sums.contains(add.op().outputs[0]) ? fuse_add(b, add)
                                                                         : std::nullopt;
                             }}});
}

}  // namespace anemone
