#include "anemone/devices/ane_spec/cost_values.h"

#include <algorithm>

#include "anemone/ops/registry.h"

namespace anemone {
namespace {

double bytes_of(Value value) {
  const Type& type = value->type;
  return type.is_tensor() && is_static(type.shape) ? static_cast<double>(type.bytes()) : 0;
}

bool is_constant(const Operation& op) { return op.type == "const" || is_constexpr(op); }

}  // namespace

bool is_product(const Operation& op) {
  return op.type == "conv" || op.type == "conv_transpose" || op.type == "linear" ||
         op.type == "matmul";
}

bool is_free(const Operation& op) {
  return is_constant(op) || op.type == "shape" || op.type == "flatten2d" || is_view(op);
}

Value root_of(Value value) {
  while (value->producer && !is_constant(*value->producer) && is_free(*value->producer)) {
    const Value source = value->producer->arguments[0].operands[0].value;
    if (!source) break;
    value = source;
  }
  return value;
}

CostValues::CostValues(const Function& function, const std::vector<std::string>& weight_inputs,
                       bool has_int8)
    : has_int8_(has_int8) {
  for (const std::string& name : weight_inputs) {
    if (Value value = function.find(name)) weight_inputs_.insert(value);
  }
  for (const auto& op : function.operations) {
    for (const Argument& argument : op->arguments) {
      for (const Operand& operand : argument.operands) {
        if (operand.value) readers_[operand.value].push_back(op.get());
      }
    }
  }
  for (Value output : function.outputs) readers_[output].push_back(nullptr);
}

bool CostValues::is_weight(Value value) const {
  const Value root = root_of(value);
  return (root->producer && is_constant(*root->producer)) || is_weight_input(root);
}

bool CostValues::is_packed_weight(Value value) const {
  const Value root = root_of(value);
  return root->producer && root->producer->type == "constexpr_affine_dequantize";
}

bool CostValues::is_int8_operand(Value value) const {
  return is_packed_weight(value) || (value->producer && value->producer->type == "dequantize");
}

bool CostValues::only_products_read(Value value) const {
  const auto found = readers_.find(value);
  return found != readers_.end() &&
         std::all_of(found->second.begin(), found->second.end(),
                     [](const Operation* reader) { return reader && is_product(*reader); });
}

const Operation* CostValues::quantize_of(Value product) const {
  if (!product->producer || !is_product(*product->producer)) return nullptr;
  const auto found = readers_.find(product);
  if (found == readers_.end() || found->second.size() != 1) return nullptr;
  const Operation* reader = found->second[0];
  return reader && reader->type == "quantize" ? reader : nullptr;
}

double CostValues::activation_bytes(Value value) const {
  if (!has_int8_) return bytes_of(value);
  if (value->producer && is_fused(*value->producer) && value->producer->type == "dequantize") {
    const Operand& stored = value->producer->find("input")->operands[0];
    return static_cast<double>(stored.type().bytes());
  }
  const Operation* quantize = quantize_of(value);
  return bytes_of(quantize ? quantize->outputs[0] : value);
}

bool CostValues::is_fused(const Operation& op) const {
  if (op.type == "dequantize") return only_products_read(op.outputs[0]);
  if (op.type != "quantize") return false;
  const Value input = op.find("input")->operands[0].value;
  return input && quantize_of(input) == &op;
}

}  // namespace anemone
