// The reference interpreter: runs a function operation by operation with the reference kernels.
// Slow and plain on purpose; devices are checked against it.
#pragma once

#include <map>
#include <string>

#include "anemone/ir/program.h"

namespace anemone {

using NamedTensors = std::map<std::string, Tensor>;

// Inputs by name; returns the outputs by name. Tensors must have the declared types.
// fp16 and bf16 values are computed in fp32 and rounded after every operation.
// States of the function are read from and written back to `states` by name; those that are missing
// there start with zeros.
NamedTensors evaluate(const Function& function, const NamedTensors& inputs,
                      NamedTensors* states = nullptr);

// Evaluates one operation on memory. Operands in the order of its arguments, tuples flattened.
// Allocates scratch for fp16 and bf16 operands.
void evaluate_op(const Operation& op, std::span<const TensorView> inputs,
                 std::span<const TensorView> outputs);

}  // namespace anemone
