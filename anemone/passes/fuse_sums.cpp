#include <algorithm>

#include "anemone/ops/registry.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

// A linear layer, or its gradient: [1, C, 1, S] to [1, O, 1, S] by one weight and nothing else.
bool is_linear(const Operation& op) {
  if (op.type != "conv" && op.type != "conv_transpose") return false;
  const OpArgs args(op);
  if (!args.value("x") || !args.value("weight")) return false;  // written in place
  const Shape &x = args.shape("x"), &weight = args.shape("weight");
  const Type& y = op.outputs[0]->type;
  // Types that are rounded after each operation would be rounded once less.
  if (y.dtype != DType::kFp32 && y.dtype != DType::kFp64) return false;
  if (args.has("bias") || args.integer("groups", 1) != 1 || x.size() != 4 || x[0] != 1)
    return false;
  for (int64_t stride : args.integers("strides", std::vector<int64_t>{1, 1})) {
    if (stride != 1) return false;
  }
  return weight[2] == 1 && weight[3] == 1 && x[2] == 1 && y.shape[2] == 1 && y.shape[3] == x[3];
}

Value add_product(Builder& b, Value sum, const Operation& linear) {
  const OpArgs args(linear);
  const Shape &x = args.shape("x"), &weight = args.shape("weight"), y = sum->type.shape;
  const Value product =
      b.op("anemone.matmul_add", {{"sum", b.reshape(sum, {y[1], y[3]})},
                                  {"x", b.reshape(args.value("weight"), {weight[0], weight[1]})},
                                  {"y", b.reshape(args.value("x"), {x[1], x[3]})},
                                  {"transpose_x", b.boolean(linear.type == "conv_transpose")},
                                  {"transpose_y", b.boolean(false)}});
  return b.reshape(product, y);
}

// Whether every operation from `op` on may read the value.
bool is_there(const Function& function, Value value, const Operation* op) {
  for (const auto& earlier : function.operations) {
    if (earlier.get() == op) return !value->producer;
    if (earlier.get() == value->producer) return true;
  }
  return false;
}

// The operand of a sum that is a norm's gradient and read nowhere else, of which the other operand
// becomes the `sum`; empty where there is none.
std::string norm_that_adds(Function& function, const Operation& add,
                           const std::unordered_map<Value, int>& uses) {
  const OpArgs args(add);
  for (const auto& [name, other] : {std::pair{"x", "y"}, {"y", "x"}}) {
    const Value term = args.value(name), sum = args.value(other);
    if (!term || !sum || uses.at(term) != 1 || !term->producer || sum->type != term->type) continue;
    Operation& norm = *term->producer;
    if (norm.type != "anemone.rms_norm_backward" || norm.outputs[0] != term) continue;
    const bool rounds = term->type.dtype != DType::kFp32 && term->type.dtype != DType::kFp64;
    if (rounds || norm.find("sum") || !is_there(function, sum, &norm)) continue;
    norm.arguments.emplace_back("sum", sum);
    return name;
  }
  return "";
}

}  // namespace

bool fuse_sums(Function& function) {
  // The sums with a product that nothing else reads, and which operand that is: y where both are.
  const std::unordered_map<Value, int> uses = count_uses(function);
  std::unordered_map<Value, std::string> terms;
  // The sums that a norm's gradient makes itself, and which operand that is.
  std::unordered_map<Value, std::string> added;
  for (const auto& op : function.operations) {
    if (op->type != "add") continue;
    if (const std::string norm = norm_that_adds(function, *op, uses); !norm.empty()) {
      added[op->outputs[0]] = norm;
      continue;
    }
    for (const char* name : {"x", "y"}) {
      const Value term = OpArgs(*op).value(name);
      if (term && uses.at(term) == 1 && term->producer && is_linear(*term->producer) &&
          term->type == op->outputs[0]->type) {
        terms[op->outputs[0]] = name;
      }
    }
  }
  return rewrite(function,
                 [&](Builder& b, const Operation& op) -> std::optional<std::vector<Value>> {
                   const auto norm = added.find(op.outputs[0]);
                   if (norm != added.end()) return std::vector{OpArgs(op).value(norm->second)};
                   const auto found = terms.find(op.outputs[0]);
                   if (found == terms.end()) return std::nullopt;
                   const OpArgs args(op);
                   const Value term = args.value(found->second);
                   const Value sum = args.value(found->second == "x" ? "y" : "x");
                   if (!sum || sum->type != term->type) return std::nullopt;
                   return std::vector{add_product(b, sum, *term->producer)};
                 });
}

}  // namespace anemone
