// From the toolkit's operations to those that the Neural Engine takes.
#pragma once

#include "anemone/ir/program.h"

namespace anemone {

// Composite operations are decomposed; conv_transpose with a 1x1 kernel becomes a conv with the
// transposed constant, or a matmul where the weight is an input; split becomes slices. What it does
// not know stays as it is.
void lower_for_ane(Function& function);

}  // namespace anemone
