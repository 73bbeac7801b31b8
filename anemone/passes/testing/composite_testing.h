// For tests: composite operations against their decompositions.
#pragma once

#include "anemone/testing/op_testing.h"

namespace anemone {

// The inputs as make_function() names them.
NamedTensors numbered_inputs(const Inputs& inputs);

Tensor integers(const Shape& shape, const std::vector<int32_t>& values);

void expect_same_outputs(const Function& a, const Function& b, const NamedTensors& inputs);

// Appends the gradients of the fp64 inputs of `f` for a gradient of ones at output 0.
void append_gradients(Function& f);

// A function and its decomposition.
void expect_same_values(const Inputs& inputs, const Build& build);

// Values; gradients of the composite against those derived from its decomposition; the backward
// operation against its own decomposition; and finite differences.
void expect_equivalent(const Inputs& inputs, const Build& build);

}  // namespace anemone
