// Products of matrices on the grid of 2^-16.
#pragma once

#include "anemone/devices/cpu/kernel.h"

namespace anemone {

// For matmul and pointwise conv; null for everything else.
std::unique_ptr<Kernel> make_grid_kernel(const Operation& op);

}  // namespace anemone
