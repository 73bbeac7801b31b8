// sim:<chip>: the digital twin of a Neural Engine. Values by the CPU's kernels with the engine's
// numerics, time by the cost model of ane_spec, refusals by its rules. Everything is `simulated`.
#pragma once

#include <memory>

#include "anemone/base/threads.h"
#include "anemone/devices/ane_spec/chip.h"
#include "anemone/devices/ane_spec/limits.h"
#include "anemone/devices/device.h"
#include "anemone/devices/sim/numerics.h"

namespace anemone {

struct SimOptions {
  bool values = true;   // compute; without, buffers hold nothing and only time passes
  bool strict = false;  // what the hardware silently gets wrong is an error
  int macos = 26;
  Numerics numerics;
  int compile_budget = ane::kCompilesPerProcess;  // programs that a process can compile (ane.c1)
  int loaded_limit = ane::kLoadedPrograms;        // programs that it can hold (ane.c1)
};

// The pool must outlive the device.
std::unique_ptr<Device> make_sim_device(const Chip& chip, ThreadPool& pool,
                                        const SimOptions& options = {});

}  // namespace anemone
