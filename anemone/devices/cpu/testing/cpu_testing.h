// For tests of the CPU device: runs a function on it and compares with the reference interpreter.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/tensor/compare.h"
#include "anemone/testing/op_testing.h"

namespace anemone::cpu_testing {

// |cpu - reference| / |reference| over a tensor, with the same fp32 inputs.
constexpr double kFp32Tolerance = 2e-6;

inline Tensor fp32(const Shape& shape, uint64_t seed, double low = -1, double high = 1) {
  return random_tensor(shape, seed, low, high).cast(DType::kFp32);
}
inline Tensor int32(const Shape& shape, const std::vector<int32_t>& values) {
  return Tensor::of<int32_t>(shape, values);
}

inline NamedTensors name_inputs(const Function& function, const Inputs& inputs) {
  NamedTensors named;
  for (size_t i = 0; i < inputs.size(); ++i) {
    named[function.inputs[i]->name] = inputs[i].tensor->clone();
  }
  return named;
}

// A compiled function with buffers of its own for every input and output.
class Bound {
 public:
  Bound(Device& device, const Function& function, const CompileOptions& options = {})
      : executable_(device.compile(function, options)) {
    std::vector<Binding> inputs, outputs;
    for (const auto& [name, type] : executable_->inputs()) {
      inputs.push_back({name, add(device, name, type)});
    }
    for (const auto& [name, type] : executable_->outputs()) {
      const auto shared = std::find_if(options.in_place.begin(), options.in_place.end(),
                                       [&](const auto& pair) { return pair.second == name; });
      outputs.push_back({name, shared == options.in_place.end() ? add(device, name, type)
                                                                : &buffer(shared->first)});
      output_buffers_[name] = outputs.back().buffer;
    }
    request_ = executable_->bind(inputs, outputs);
  }

  Executable& executable() { return *executable_; }
  Buffer& buffer(const std::string& name) { return *buffers_.at(name); }
  void run() { request_->run(); }
  NamedTensors run(const NamedTensors& inputs) {
    for (const auto& [name, tensor] : inputs) buffer(name).write(tensor);
    run();
    NamedTensors results;
    for (const auto& [name, from] : output_buffers_) {
      Tensor result(from->type().dtype, from->type().shape);
      from->read(result);
      results[name] = std::move(result);
    }
    return results;
  }

 private:
  Buffer* add(Device& device, const std::string& name, const Type& type) {
    return (buffers_[name] = device.allocate(type)).get();
  }

  std::unique_ptr<Executable> executable_;
  std::map<std::string, std::unique_ptr<Buffer>> buffers_;
  std::map<std::string, Buffer*> output_buffers_;
  std::unique_ptr<Request> request_;
};

inline NamedTensors run_on_cpu(const Function& function, const NamedTensors& inputs,
                               int threads = 1) {
  ThreadPool pool(threads);
  return Bound(*make_cpu_device(pool), function).run(inputs);
}

inline void expect_same(const NamedTensors& actual, const NamedTensors& expected,
                        double tolerance = kFp32Tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(actual.contains(name)) << name;
    EXPECT_EQ(to_string(actual.at(name).shape()), to_string(tensor.shape()));
    EXPECT_LE(compare(actual.at(name), tensor).relative_norm, tolerance) << name;
  }
}

// The device gives what the reference kernels give, bit for bit the same with 1, 2 and 3 threads.
inline void expect_cpu_equals_reference(const Inputs& inputs, const Build& build,
                                        double tolerance = kFp32Tolerance) {
  const Function function = make_function(inputs, build);
  const NamedTensors named = name_inputs(function, inputs);
  const NamedTensors alone = run_on_cpu(function, named);
  expect_same(alone, evaluate(function, named), tolerance);
  for (int threads : {2, 3}) expect_same(run_on_cpu(function, named, threads), alone, 0);
}

}  // namespace anemone::cpu_testing
