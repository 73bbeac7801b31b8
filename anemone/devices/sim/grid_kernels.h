// Products of matrices on the grid of 2^-16.
#pragma once

#include "anemone/devices/cpu/kernel.h"

namespace anemone {

// For matmul, linear and pointwise conv in fp32; null for everything else. Sums that reach the
// ceiling on their way are infinite.
std::unique_ptr<Kernel> make_grid_kernel(const Operation& op, float ceiling);

}  // namespace anemone
