#include <algorithm>

#include "anemone/ir/uses.h"
#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

// A linear layer, or its gradient, of values, whose sum is rounded no more than its product: types
// that are rounded after each operation would be rounded once less.
bool is_fusible(const Operation& op) {
  const DType dtype = op.outputs[0]->type.dtype;
  if (dtype != DType::kFp32 && dtype != DType::kFp64) return false;
  return is_linear_layer(op) && OpArgs(op).value("x") && OpArgs(op).value("weight");
}

Value add_product(Builder& b, Value sum, const Operation& linear) {
  const OpArgs args(linear);
  const Shape &x = args.shape("x"), &weight = args.shape("weight"), y = sum->type.shape;
  const Value product =
      b.op("anemone.matmul_add", {{"sum", b.reshape(sum, {y[1], y[3]})},
                                  {"x", b.reshape(args.value("weight"), {weight[0], weight[1]})},
                                  {"y", b.reshape(args.value("x"), {x[1], x[3]})},
                                  {"transpose_x", b.boolean(is_conv_transpose(linear))},
                                  {"transpose_y", b.boolean(false)}});
  return b.reshape(product, y);
}

// Whether every operation from `op` on may read the value.
bool is_there(const Uses& uses, Value value, const Operation* op) {
  return !value->producer || uses.position(value->producer) < uses.position(op);
}

// Whether it is a norm's gradient, which can add to a sum itself.
bool takes_sum(const Operation& op) {
  const OpDef* def = find_op(op.type);
  return has_trait(op, Trait::kNorm) &&
         std::any_of(def->params.begin(), def->params.end(),
                     [](const Param& param) { return param.name == "sum"; });
}

// The operand of a sum that is a norm's gradient and read nowhere else, of which the other operand
// becomes the `sum`; empty where there is none.
std::string norm_that_adds(const OpArgs& args, const Uses& uses) {
  for (const auto& [name, other] : {std::pair{"x", "y"}, {"y", "x"}}) {
    const Value term = args.value(name), sum = args.value(other);
    if (!term || !sum || uses.count(term) != 1 || !term->producer || sum->type != term->type)
      continue;
    Operation& norm = *term->producer;
    if (!takes_sum(norm) || norm.outputs[0] != term) continue;
    const bool rounds = term->type.dtype != DType::kFp32 && term->type.dtype != DType::kFp64;
    if (rounds || norm.find("sum") || !is_there(uses, sum, &norm)) continue;
    norm.arguments.emplace_back("sum", sum);
    return name;
  }
  return "";
}

}  // namespace

bool fuse_sums(Function& function) {
  const Uses uses(function);
  // The sums with a product that nothing else reads, and which operand that is: y where both are.
  std::unordered_map<Value, std::string> terms;
  // The sums that a norm's gradient makes itself, and which operand that is.
  std::unordered_map<Value, std::string> added;
  for_each_of_type(function, "add", [&](Operation& op) {
    const OpArgs args(op);
    if (const std::string norm = norm_that_adds(args, uses); !norm.empty()) {
      added[op.outputs[0]] = norm;
      return;
    }
    for (const char* name : {"x", "y"}) {
      const Value term = args.value(name);
      if (term && uses.count(term) == 1 && term->producer && is_fusible(*term->producer) &&
          term->type == op.outputs[0]->type) {
        terms[op.outputs[0]] = name;
      }
    }
  });
  return rewrite(function, {{"add", [&](Builder& b, const OpArgs& args) -> Replacement {
                               const Value result = args.op().outputs[0];
                               const auto norm = added.find(result);
                               if (norm != added.end())
                                 return std::vector{args.value(norm->second)};
                               const auto found = terms.find(result);
                               if (found == terms.end()) return std::nullopt;
                               const Value term = args.value(found->second);
                               const Value sum = args.value(found->second == "x" ? "y" : "x");
                               if (!sum || sum->type != term->type) return std::nullopt;
                               return std::vector{add_product(b, sum, *term->producer)};
                             }}});
}

}  // namespace anemone
