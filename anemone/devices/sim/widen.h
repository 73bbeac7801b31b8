// A program as the CPU's kernels want it: fp32 where it was fp16.
#pragma once

#include "anemone/ir/program.h"

namespace anemone {

// Types and constants of a lowered function. Constants become its own: what they were made from may
// change. With `no_nan`, what is no number in them becomes +infinity. Throws Error(kInvalidInput)
// for weights that are not loaded.
void widen(Function& function, bool no_nan);

}  // namespace anemone
