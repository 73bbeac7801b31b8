// Chains of 1x1 convolutions in the device's own type, with int8 weights, and with int8 activations
// between the layers too.
#pragma once

#include <span>
#include <vector>

#include "anemone/bench/cases.h"

namespace anemone {

enum class Int8Variant : uint8_t { kPlain, kWeights, kWeightsAndActivations };

// Labels variant ("fp16" or "fp32", "w8", "w8a8"), depth, channels, spatial, weight_mb and gflop.
// Weights have one scale for each output channel, activations one for all.
BenchCase int8_case(const Chain& chain, Int8Variant variant, DType dtype);

// Two chains, and a single layer whose weights are what takes the time.
std::span<const Chain> int8_chains();
// What only an engine takes: wide enough for arithmetic to be what takes the time.
std::span<const Chain> wide_int8_chains();

// Rows of measure() for all variants of each chain, with `speedup` over the plain one.
std::vector<nlohmann::ordered_json> measure_int8(Device& device, std::span<const Chain> chains,
                                                 const MeasureOptions& options);

}  // namespace anemone
