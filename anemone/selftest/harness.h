// What the questions have in common: small programs on a device, and the same in fp64.
#pragma once

#include <functional>
#include <vector>

#include "anemone/ops/builder.h"
#include "anemone/selftest/package_trip.h"
#include "anemone/selftest/selftest.h"
#include "anemone/tensor/compare.h"

namespace anemone {

// A program with its numbers. `build` gets inputs and weights in the order of the tensors, of
// whatever float type the program is to have.
struct Problem {
  std::vector<Tensor> inputs, weights;  // fp32; inputs are called x0, x1, …
  std::function<std::vector<Value>(Builder&, const std::vector<Value>& inputs,
                                   const std::vector<Value>& weights)>
      build;
  bool runtime_weights = false;  // weights are inputs of the program too: w0, w1, …
  bool numbers = true;           // if not, only the shapes of the tensors count
};

// Uniform in [low, high), rounded to fp16 so that every device can hold them; the same for a seed.
Tensor uniform(const Shape& shape, uint64_t seed, double low, double high);

// Tensors in a list, which cannot be copied.
template <typename... Tensors>
std::vector<Tensor> listed(Tensors... tensors) {
  std::vector<Tensor> result;
  (result.push_back(std::move(tensors)), ...);
  return result;
}

// The problem as a function `selftest` of plain operations.
Function build_function(const Problem& problem, DType dtype);

// A problem compiled for a device, with its buffers.
class Prepared {
 public:
  // With `trip` the program is written as a package first, and what is read again is compiled.
  Prepared(Device& device, const Problem& problem, PackageTrip* trip = nullptr);

  std::vector<Tensor> run();  // results in fp32
  void run_once() { request_->run(); }
  // Milliseconds of one more run when warm: predicted where the device is simulated, else the least
  // of a few.
  double run_ms();
  Executable& executable() { return *executable_; }
  Buffer& input(size_t index) { return *inputs_[index]; }

 private:
  Device& device_;
  std::unique_ptr<Executable> executable_;
  std::vector<std::unique_ptr<Buffer>> inputs_, outputs_;
  std::unique_ptr<Request> request_;
};

// The results in fp64, by the reference kernels.
std::vector<Tensor> reference(const Problem& problem);

// Largest and mean absolute difference over all results.
struct Errors {
  double max = 0, mean = 0;
};
Errors errors_on(Device& device, const Problem& problem, PackageTrip* trip = nullptr);

// Whether the device computes as the Neural Engine does: fp16, with its refusals.
bool is_engine(const Device& device);

Outcome pass_if(bool good, std::string notes);

}  // namespace anemone
