// For tests of the simulated device: one with its threads, and programs run on it.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "anemone/devices/ane_spec/testing/rule_testing.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/devices/sim/sim_device.h"

namespace anemone::sim_testing {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr Numerics kAllOff = {.fp16 = false,
                                     .ceiling = false,
                                     .no_nan = false,
                                     .product_grid = false,
                                     .width_slices = false,
                                     .ignored_masks = false,
                                     .short_inner = false};

struct Machine {
  std::string chip = "m4-max";
  SimOptions options = {};
  int threads = 1;
};
// That computes so.
Machine with(const Numerics& numerics, const std::string& chip = "m4-max");

// A device with its threads.
class Sim {
 public:
  explicit Sim(const Machine& machine = {});
  Device& operator*() { return *device_; }
  Device* operator->() { return device_.get(); }
  Simulation& clock() { return *device_->simulation(); }

 private:
  ThreadPool pool_;
  std::unique_ptr<Device> device_;
};

// fp16; numbers that are missing are zeros.
Tensor halves(const Shape& shape, const std::vector<double>& numbers);

// The only output of a function with fp16 inputs, given in the function's order.
std::vector<double> run(const Function& function, const std::vector<std::vector<double>>& inputs,
                        const Machine& machine = {});

}  // namespace anemone::sim_testing
