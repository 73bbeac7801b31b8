// How the Neural Engine computes, each trait to be switched off on its own (docs/ane.md, Numbers).
#pragma once

#include <span>

#include "anemone/devices/ane_spec/rules.h"
#include "anemone/devices/cpu/kernel.h"

namespace anemone {

struct Numerics {
  bool fp16 = true;           // every result is rounded to fp16, sums are wide
  bool ceiling = true;        // |y| >= 2^15 of matmul and conv with two taps and more is infinite
  bool no_nan = true;         // NaN becomes +inf on entry and +0 as a result; softmax takes inf
  bool product_grid = true;   // products on a grid of 2^-16, four-sums below 2^-14 flushed
  bool width_slices = true;   // what breaks ane.c42 is infinite beyond 4094
  bool ignored_masks = true;  // scaled_dot_product_attention does not see its attn_mask (ane.c3)
  bool short_inner = true;    // a matmul that breaks ane.c15 gives zeros
};

// The kernel that computes `op` as the chip does, on fp32 memory that holds fp16 numbers: one of
// the CPU's, its results finished as above, or one of our own. `wrong`: what the chip gets wrong in
// the program without an error.
std::unique_ptr<Kernel> make_sim_kernel(const Operation& op, std::span<const Finding> wrong,
                                        const Numerics& numerics);

}  // namespace anemone
