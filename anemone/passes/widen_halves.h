// A program of fp16 values as fp32 kernels compute it: on fp32 memory that holds fp16 numbers.
#pragma once

#include <unordered_set>

#include "anemone/ir/program.h"

namespace anemone {

// Every fp16 value, port and constant becomes fp32; operations with blocks, which are closed, keep
// their types between casts, also where their results are the function's. Returns the operations
// whose results must be rounded to fp16 for the values to stay what they were: those that compute,
// and not those that move elements. Constants become the function's own: what they were made from
// may change. Throws Error(kInvalidInput) for weights that are not loaded.
std::unordered_set<const Operation*> widen_halves(Function& function);

// The same, but ports keep their type: fp16 inputs are cast to fp32 before their first use, and
// results back to fp16.
std::unordered_set<const Operation*> widen_halves_between_ports(Function& function);

// Whether the function holds fp16 values that something is computed with.
bool has_halves(const Function& function);

}  // namespace anemone
