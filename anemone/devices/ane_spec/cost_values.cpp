#include "anemone/devices/ane_spec/cost_values.h"

#include <algorithm>

#include "anemone/ops/query.h"

namespace anemone {
namespace {

double bytes_of(Value value) {
  const Type& type = value->type;
  return type.is_tensor() && is_static(type.shape) ? static_cast<double>(type.bytes()) : 0;
}

bool is_constant(Value root) {
  return root->producer && has_trait(*root->producer, Trait::kConstant);
}

// The parameter `input` of what dequantizes a weight or an activation.
constexpr std::string_view kPackedWeight = "constexpr_affine_dequantize",
                           kDequantize = "dequantize", kQuantize = "quantize";

bool is_made_by(Value value, std::string_view type) {
  return value->producer && value->producer->type == type;
}

}  // namespace

bool costs_nothing(const Operation& op) {
  return has_trait(op, Trait::kConstant | Trait::kView | Trait::kSizes);
}

CostValues::CostValues(const Function& function, const std::vector<std::string>& weight_inputs,
                       bool has_int8)
    : has_int8_(has_int8), uses_(function) {
  for (const std::string& name : weight_inputs) {
    if (Value value = function.find(name)) weight_inputs_.insert(value);
  }
}

bool CostValues::is_weight(Value value) const {
  const Value root = root_of(value);
  return is_constant(root) || is_weight_input(root);
}

bool CostValues::is_packed_weight(Value value) const {
  return is_made_by(root_of(value), kPackedWeight);
}

bool CostValues::is_int8_operand(Value value) const {
  return is_packed_weight(value) || is_made_by(value, kDequantize);
}

bool CostValues::only_products_read(Value value) const {
  const auto readers = uses_.readers(value);
  return !readers.empty() &&
         std::all_of(readers.begin(), readers.end(),
                     [](const Operation* reader) { return reader && is_product(*reader); });
}

const Operation* CostValues::quantize_of(Value product) const {
  if (!product->producer || !is_product(*product->producer)) return nullptr;
  const Operation* reader = uses_.only_reader(product);
  return reader && reader->type == kQuantize ? reader : nullptr;
}

double CostValues::activation_bytes(Value value) const {
  if (!has_int8_) return bytes_of(value);
  if (is_made_by(value, kDequantize) && is_fused(*value->producer)) {
    const Operand& stored = value->producer->find("input")->operands[0];
    return static_cast<double>(stored.type().bytes());
  }
  const Operation* quantize = quantize_of(value);
  return bytes_of(quantize ? quantize->outputs[0] : value);
}

bool CostValues::is_fused(const Operation& op) const {
  if (op.type == kDequantize) return only_products_read(op.outputs[0]);
  if (op.type != kQuantize) return false;
  const Value input = op.find("input")->operands[0].value;
  return input && quantize_of(input) == &op;
}

}  // namespace anemone
