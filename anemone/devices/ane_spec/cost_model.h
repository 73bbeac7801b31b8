// How long a program takes on a chip, in closed form; calibrated by tools/calibrate.py. Everything
// here is a prediction and must be shown as `simulated`. docs/calibration.md has the errors.
//
//   t = max(floor, dispatch + surfaces / surface rate + stream start + sum over layers of
//           layer + max(flops / (peak * efficiency), weights / rate, activations / on-chip rate))
//
// The rate of weights is `chain` for a layer of at most `resident` bytes, otherwise `stream`,
// divided by `alias` where the channels ask for it; the stream start counts once if any streams.
#pragma once

#include <string_view>
#include <vector>

#include "anemone/devices/ane_spec/chip.h"
#include "anemone/devices/device.h"
#include "anemone/ir/program.h"

namespace anemone {

enum class Bound : uint8_t { kCompute, kWeights, kActivations, kOverhead };
const char* to_string(Bound bound);

struct OpTime {
  const Operation* op = nullptr;
  double us = 0;
  Bound bound = Bound::kOverhead;
  double flops = 0, weight_bytes = 0, activation_bytes = 0;
};

struct ProgramTime {
  double dispatch_us = 0;
  double surface_us = 0;    // inputs and outputs
  std::vector<OpTime> ops;  // those that take time, in program order
  double total_us = 0;      // of one evaluation, warm
  double flops = 0, weight_bytes = 0;
  double memory_bytes = 0;  // weights, surfaces and the largest set of live activations
  double energy_mj = 0;     // of one evaluation
  double compile_ms = 0, load_ms = 0;
};

// `function`: plain MIL, as the device gets it (fp16). Operands that are constants or come from
// `weight_inputs` are weights.
ProgramTime predict(const Function& function, const Chip& chip,
                    const std::vector<std::string>& weight_inputs = {});

// Of the CPU beside the engine: the start of a task, and then one kind of work after the other.
double host_ms(const Chip& chip, const HostWork& work);

}  // namespace anemone
