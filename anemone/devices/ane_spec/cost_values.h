// A program's values as the engine holds them: which are weights, which are packed, and which stay
// int8 between products, because it dequantizes on the way into one and quantizes on the way out.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "anemone/ir/uses.h"

namespace anemone {

// Constants, and the same elements in the same order under another shape: no time, no memory.
bool costs_nothing(const Operation& op);

class CostValues {
 public:
  // Constants and `weight_inputs` are weights. `has_int8`: of the chip's arithmetic; without, what
  // is between products is fp16.
  CostValues(const Function& function, const std::vector<std::string>& weight_inputs,
             bool has_int8);

  bool is_weight_input(Value value) const { return weight_inputs_.contains(value); }
  // Also behind views.
  bool is_weight(Value value) const;
  // A weight of int8 or uint8, which is dequantized as it is used.
  bool is_packed_weight(Value value) const;
  // What the multipliers may take as int8: a packed weight, or what a dequantize gives.
  bool is_int8_operand(Value value) const;
  // As the engine moves an activation: those between a product and a (de)quantize are bytes.
  double activation_bytes(Value value) const;
  // quantize and dequantize that are part of the products beside them.
  bool is_fused(const Operation& op) const;

 private:
  bool only_products_read(Value value) const;
  // The quantize that alone reads a product's result; null where there is none.
  const Operation* quantize_of(Value product) const;

  bool has_int8_;
  std::unordered_set<Value> weight_inputs_;
  Uses uses_;
};

}  // namespace anemone
