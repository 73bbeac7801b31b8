// Nested blocks as functions of their own: what a device compiles that runs blocks as programs.
#pragma once

#include "anemone/ir/program.h"

namespace anemone {

// Makes every value of the outer function that a nested block reads a parameter of the block and an
// operand of the operation, in its argument `captured`; constants are copied into the block
// instead. Then what an operation needs is among its operands, and no pass has to look into blocks.
void close_blocks(Function& function);

// A closed block as a function. Results that are parameters, or stand twice, become copies.
Function function_of_block(const Block& block, std::string name, std::string opset);

}  // namespace anemone
