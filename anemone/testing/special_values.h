// What every operation gives for NaN, infinities, signed zeros and equal operands: one table that
// the reference kernels, the CPU device and the simulated devices are held to (docs/ops.md).
#pragma once

#include <string>
#include <vector>

#include "anemone/ops/evaluate.h"

namespace anemone {

// One operation on small operands and what it must give: the sign of a zero counts, a NaN stands
// for any NaN, other numbers are met within the precision of the element type.
struct SpecialCase {
  std::string call;  // "maximum(x = x, y = y)"; D stands for the element type
  Shape shape;       // of x and y
  std::vector<double> x, y;
  Shape out_shape;
  std::vector<double> want;
  std::string out_dtype = "D";
};

// Rows for the element type fp16, fp32 or fp64.
const std::vector<SpecialCase>& special_cases();

// Operations that need no row: what they do with special values follows from what they are.
// (Moving elements, comparing them as IEEE 754 does, integers only, sums of products.)
const std::vector<std::string>& without_special_cases();

// The case as a function of inputs x and y with the output `out`.
Function function_of(const SpecialCase& special, DType dtype);

// The inputs of that function.
NamedTensors inputs_of(const SpecialCase& special, DType dtype);

// "" where `got` is what the case wants, else what differs.
std::string difference(const SpecialCase& special, const Tensor& got);

}  // namespace anemone
