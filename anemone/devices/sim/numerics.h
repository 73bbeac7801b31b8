// How the Neural Engine computes, each trait to be switched off on its own (docs/ane.md, Numerics).
#pragma once

#include "anemone/devices/ane_spec/chip.h"
#include "anemone/devices/cpu/kernel.h"

namespace anemone {

struct Numerics {
  bool fp16 = true;           // every result is rounded to fp16, sums are wide
  bool ceiling = true;        // |y| >= 2^15 of matmul and conv with two taps and more is infinite
  bool no_nan = true;         // NaN becomes +inf on entry and +0 as a result
  bool product_grid = true;   // products on a grid of 2^-16, four-sums below 2^-14 flushed
  bool width_slices = true;   // M1, M2: |x| > 4094 is infinite behind a width slice that begins > 0
  bool ignored_masks = true;  // scaled_dot_product_attention does not see its attn_mask
  bool short_inner = true;    // M1: a matmul over a length that is no multiple of 32 gives zeros
};

// The kernel that computes `op` as the chip does, on fp32 memory that holds fp16 numbers: one of
// the CPU's, its results finished as above, or one of our own.
std::unique_ptr<Kernel> make_sim_kernel(const Operation& op, const Chip& chip,
                                        const Numerics& numerics);

}  // namespace anemone
