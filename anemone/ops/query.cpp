#include "anemone/ops/query.h"

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/ops/registry.h"

namespace anemone {

bool has_trait(const Operation& op, Trait trait) {
  const OpDef* def = find_op(op.type);
  return def && includes(def->traits, trait);
}

bool is_composite(const Operation& op) { return op.type.starts_with("anemone."); }

bool is_conv_transpose(const Operation& op) { return op.type == "conv_transpose"; }

Value root_of(Value value) {
  while (value->producer && is_view(*value->producer)) {
    const Value source = OpArgs(*value->producer).value("x");
    if (!source) break;
    value = source;
  }
  return value;
}

const Operation* root_operation(Value value) { return root_of(value)->producer; }

bool is_pointwise(const OpArgs& conv) {
  const auto all_ones = [](auto begin, auto end) {
    return std::all_of(begin, end, [](int64_t size) { return size == 1; });
  };
  const Shape &x = conv.shape("x"), &weight = conv.shape("weight");
  const Shape& y = conv.op().outputs[0]->type.shape;
  const std::vector<int64_t> strides = conv.integers("strides", std::vector<int64_t>{1});
  // Whatever the padding says, there is none where the sizes stay.
  return x.size() == weight.size() && all_ones(weight.begin() + 2, weight.end()) &&
         all_ones(strides.begin(), strides.end()) && conv.integer("groups", 1) == 1 &&
         std::equal(x.begin() + 2, x.end(), y.begin() + 2, y.end());
}

bool is_linear_layer(const Operation& op) {
  const OpArgs args(op);
  if (!is_convolution(op) || !is_pointwise(args) || args.has("bias")) return false;
  const Shape& x = args.shape("x");
  return x.size() == 4 && x[0] == 1 && x[2] == 1;
}

const Tensor* known_numbers(const OpArgs& args, std::string_view name) {
  const Literal* literal =
      args.has(name) ? Operation::constant(args.operand(name)) : args.op().attribute(name);
  return literal ? literal->tensor.get() : nullptr;
}

const Tensor* numbers_of_const(const Operation& op) {
  const Literal* literal = is_const(op) ? op.attribute("val") : nullptr;
  return literal ? literal->tensor.get() : nullptr;
}

void require_loaded(const Operation& op) {
  const Literal* literal = is_const(op) ? op.attribute("val") : nullptr;
  if (!literal || !literal->blob || literal->tensor) return;
  fail(op.where(), "the weights of '" + op.outputs[0]->name + "' are not loaded",
       "the weight file must lie where the program says");
}

}  // namespace anemone
