// Element-wise kernels of two operands that numpy's broadcasting brings to one shape.
#pragma once

#include <memory>

#include "anemone/devices/cpu/kernel.h"
#include "anemone/ops/op_args.h"

namespace anemone {

// out[i] = loop(x, y) of operands x and y of any shapes.
std::unique_ptr<Kernel> broadcast_kernel(const OpArgs& args,
                                         void (*loop)(const float*, const float*, float*, size_t));

}  // namespace anemone
