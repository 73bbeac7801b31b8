#include "anemone/passes/specialize_shapes.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/ir/walk.h"
#include "anemone/ops/builder.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/query.h"
#include "anemone/ops/verify.h"

namespace anemone {
namespace {

constexpr int64_t kMaxFolded = 4096;  // elements: lists of sizes, not tensors of data

bool is_small(const Type& type) {
  return type.is_tensor() && is_static(type.shape) && element_count(type.shape) > 0 &&
         element_count(type.shape) <= kMaxFolded;
}

// Whether all that the operation reads is known now.
bool follows_from_shapes(const Operation& op) {
  if (is_const(op) || !op.blocks.empty() || op.outputs.size() != 1) return false;
  if (has_trait(op, Trait::kSizes)) return is_static(OpArgs(op).shape("x"));
  bool known = is_small(op.outputs[0]->type);
  for_each_operand(op, [&](const Operand& operand) {
    const Literal* literal = Operation::constant(operand);
    known = known && literal && (literal->tensor || !literal->strings.empty());
  });
  return known && !op.arguments.empty() && is_integer(op.outputs[0]->type.dtype);
}

Tensor compute(const Operation& op) {
  std::vector<TensorView> inputs;
  for_each_operand(op, [&](const Operand& operand) {
    const Literal* literal = Operation::constant(operand);
    const bool has_numbers = literal && literal->tensor;
    inputs.push_back(has_numbers ? literal->tensor->view()
                                 : TensorView{operand.type().dtype, operand.type().shape, nullptr});
  });
  Tensor result(op.outputs[0]->type.dtype, op.outputs[0]->type.shape);
  evaluate_op(op, inputs, std::vector<TensorView>{result});
  return result;
}

void become_constant(Operation& op, Tensor value) {
  op.type = "const";
  op.arguments.clear();
  std::erase_if(op.attributes, [](const Attribute& a) { return a.name != "name"; });
  op.attributes.push_back({"val", Literal::of(std::move(value))});
}

}  // namespace

std::string place_of(Value input) {
  if (input->location.line == 0) return "input '" + input->name + "'";
  return fmt::format("{}:{}", input->location.line, input->location.column);
}

void give_shape(Value input, const Shape& shape) {
  const Shape& declared = input->type.shape;
  const bool fits =
      input->type.is_tensor() && declared.size() == shape.size() &&
      std::equal(shape.begin(), shape.end(), declared.begin(),
                 [](int64_t size, int64_t own) { return own == kUnknownSize || own == size; });
  if (!fits) {
    fail(place_of(input),
         fmt::format("input '{}': {} does not fit {}", input->name, to_string(shape),
                     to_string(input->type)),
         "give a size for each '?', and the others as they are");
  }
  input->type.shape = shape;
}

void infer_operation(Operation& op) {
  for (const auto& block : op.blocks) {
    for_each_operation(*block, [](Operation& nested) { infer_operation(nested); });
  }
  const std::vector<Type> types = infer_types(op);
  for (size_t i = 0; i < std::min(types.size(), op.outputs.size()); ++i) {
    op.outputs[i]->type = types[i];
  }
  if (follows_from_shapes(op)) become_constant(op, compute(op));
}

bool is_flexible(const Function& function) {
  return std::any_of(function.inputs.begin(), function.inputs.end(), [](Value input) {
    return input->type.is_tensor() && !is_static(input->type.shape);
  });
}

void require_inputs(const Function& function, const InputShapes& shapes) {
  for (const auto& [name, shape] : shapes) {
    const bool found = std::any_of(function.inputs.begin(), function.inputs.end(),
                                   [&, &wanted = name](Value i) { return i->name == wanted; });
    if (!found) fail("function '" + function.name + "'", "it has no input '" + name + "'");
  }
}

void specialize_shapes(Function& function, const InputShapes& shapes) {
  require_inputs(function, shapes);
  for (Value input : function.inputs) {
    const auto given = shapes.find(input->name);
    if (given != shapes.end()) give_shape(input, given->second);
    if (input->type.is_tensor() && !is_static(input->type.shape)) {
      fail(place_of(input),
           fmt::format("input '{}': its sizes are open: {}", input->name, to_string(input->type)),
           "say them, like --shape " + input->name + "=1,64");
    }
  }
  for_each_operation(function, [](Operation& op) { infer_operation(op); });
}

}  // namespace anemone
