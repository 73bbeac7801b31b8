// For tests of the simulated device: one with its threads, and programs run on it.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "anemone/devices/ane_spec/testing/rule_testing.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/devices/sim/sim_device.h"

namespace anemone::sim_testing {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Machine {
  std::string chip = "m4-max";
  SimOptions options = {};
  int threads = 1;
};

class Sim {
 public:
  explicit Sim(const Machine& machine = {})
      : pool_(machine.threads),
        device_(make_sim_device(find_chip(machine.chip), pool_, machine.options)) {}
  Device& operator*() { return *device_; }
  Device* operator->() { return device_.get(); }
  Simulation& clock() { return *device_->simulation(); }

 private:
  ThreadPool pool_;
  std::unique_ptr<Device> device_;
};

inline Tensor halves(const Shape& shape, const std::vector<double>& numbers) {
  Tensor tensor(DType::kFp16, shape);
  for (size_t i = 0; i < numbers.size(); ++i) {
    tensor.view().set(static_cast<int64_t>(i), numbers[i]);
  }
  return tensor;
}

// The only output; numbers that `inputs` lack are zeros.
inline std::vector<double> run(const Function& function,
                               const std::vector<std::vector<double>>& inputs,
                               const Machine& machine = {}) {
  Sim sim(machine);
  NamedTensors named;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Variable& input = *function.inputs[i];
    named[input.name] = halves(input.type.shape, inputs[i]);
  }
  const NamedTensors results = cpu_testing::Bound(*sim, function).run(named);
  return values(results.begin()->second);
}

// How it computes with some of its traits switched off.
inline Machine with(const Numerics& numerics, const std::string& chip = "m4-max") {
  Machine machine{.chip = chip};
  machine.options.numerics = numerics;
  return machine;
}
inline constexpr Numerics kAllOff = {.fp16 = false,
                                     .ceiling = false,
                                     .no_nan = false,
                                     .product_grid = false,
                                     .width_slices = false,
                                     .ignored_masks = false,
                                     .short_inner = false};

}  // namespace anemone::sim_testing
