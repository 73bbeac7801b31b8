// Sizes that a program leaves open, decided: what a device compiles for the shapes that arrive.
#pragma once

#include <map>
#include <string>

#include "anemone/ir/program.h"

namespace anemone {

using InputShapes = std::map<std::string, Shape>;

// Whether any input of the function has a size "?".
bool is_flexible(const Function& function);

// "3:14" for an input of a parsed program, otherwise "input 'x'".
std::string place_of(Value input);

// Decides the open sizes of one input. Throws Error(kInvalidInput) for a rank or size that differs
// where the program says it.
void give_shape(Value input, const Shape& shape);

// Gives the results of an operation, and of those nested in it, the types that follow from its
// operands; an operation whose result follows from shapes alone becomes a constant. Throws what
// infer_types() throws.
void infer_operation(Operation& op);

// Throws Error(kInvalidInput) for a name that is no input of the function.
void require_inputs(const Function& function, const InputShapes& shapes);

// Gives inputs these shapes and infers everything again. What follows from shapes alone (shape,
// and arithmetic on its result) becomes constant, so that reshape and its like find numbers.
// Inputs that are not named keep their shape, which must be known.
// Throws Error(kInvalidInput): for a name that is no input, a rank or size that differs where the
// program says it, a size that stays unknown.
void specialize_shapes(Function& function, const InputShapes& shapes);

}  // namespace anemone
