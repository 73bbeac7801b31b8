// One operation as the cost model sees it: arithmetic, bytes, and how well it suits the engine.
#pragma once

#include "anemone/devices/ane_spec/cost_model.h"
#include "anemone/devices/ane_spec/cost_values.h"

namespace anemone {

struct Layer {
  double flops = 0;
  double efficiency = 1;             // of the arithmetic, apart from what does not fit
  double smaller_operand_bytes = 0;  // of a product: what is held while the other passes
  double weight_bytes = 0;           // as fp16
  bool packed = false;               // the weights are int8
  bool int8 = false;                 // so are both operands: the arithmetic may be faster
  bool aliased = false;              // its streams are slow: channels are a large power of two
  double activation_bytes = 0;       // read and written, several times for some operations
};

Layer describe_layer(const Operation& op, const CostValues& values);

// Bytes of weights that the engine fetches.
double fetched_bytes(const Layer& layer, const EngineFigures& engine);

// Whether the weights come at the rate of large layers.
bool streams(const Layer& layer, const EngineFigures& engine);

// How much of the peak is left where the smaller operand of a product does not fit: 1 up to
// `working_set_bytes`, a half at 4 times that, 0.22 from 9 times on.
double staircase(double smaller_operand_bytes, double working_set_bytes);

OpTime time_layer(const Operation& op, const Layer& layer, const EngineFigures& engine);

}  // namespace anemone
