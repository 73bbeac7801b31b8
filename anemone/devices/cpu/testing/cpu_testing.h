// For tests of the CPU device: runs a function on it and compares with the reference interpreter.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/tensor/compare.h"
#include "anemone/testing/op_testing.h"

namespace anemone::cpu_testing {

// |cpu - reference| / |reference| over a tensor, with the same fp32 inputs.
constexpr double kFp32Tolerance = 2e-6;

Tensor fp32(const Shape& shape, uint64_t seed, double low = -1, double high = 1);
Tensor int32(const Shape& shape, const std::vector<int32_t>& values);

// The inputs under the names of the function's inputs, in order.
NamedTensors name_inputs(const Function& function, const Inputs& inputs);

// A compiled function with buffers of its own for every input and output; those that `options`
// pairs share one.
class Bound {
 public:
  Bound(Device& device, const Function& function, const CompileOptions& options = {});

  void run() { request_->run(); }
  // Writes the inputs, runs and returns the outputs.
  NamedTensors run(const NamedTensors& inputs);

 private:
  Buffer* add(Device& device, const std::string& name, const Type& type);

  std::unique_ptr<Executable> executable_;
  std::map<std::string, std::unique_ptr<Buffer>> buffers_;
  std::map<std::string, Buffer*> outputs_;
  std::unique_ptr<Request> request_;
};

NamedTensors run_on_cpu(const Function& function, const NamedTensors& inputs, int threads = 1);

void expect_same(const NamedTensors& actual, const NamedTensors& expected,
                 double tolerance = kFp32Tolerance);

// The device gives what the reference kernels give, bit for bit the same with 1, 2 and 3 threads.
void expect_cpu_equals_reference(const Inputs& inputs, const Build& build,
                                 double tolerance = kFp32Tolerance);

// The same, and the last operation has a fast kernel (or, for `fast` false, has none).
void expect_fast(const Inputs& inputs, const Build& build, bool fast = true);

}  // namespace anemone::cpu_testing
