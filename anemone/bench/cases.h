// The programs that each benchmark runs.
#pragma once

#include <span>
#include <vector>

#include "anemone/bench/measure.h"

namespace anemone {

// `depth` square 1x1 convolutions on [1, C, 1, S], one after the other, each with weights of its
// own.
struct Chain {
  int64_t depth = 1, channels = 0, spatial = 64;
};

// Labels depth, channels, spatial, weight_mb, activation_mb and gflop; sizes as `dtype` has them.
BenchCase chain_case(const Chain& chain, DType dtype);

// The published tables' sizes.
std::span<const Chain> peak_chains();    // ten depths and channels
std::span<const Chain> inmem_chains();   // six
std::span<const Chain> coarse_chains();  // nine channels and widths
std::span<const Chain> fine_chains();    // thirteen channels

// Single convolutions as narrow as the device takes them, so that reading the weights is what
// takes the time; channels between the powers of two, closer together than the published ones.
std::vector<Chain> stream_chains(int64_t spatial);

// Programs from no arithmetic up: one and several inputs, weights baked in and as inputs.
std::vector<BenchCase> dispatch_cases(DType dtype);

}  // namespace anemone
