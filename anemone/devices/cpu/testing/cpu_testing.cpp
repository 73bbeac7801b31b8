#include "anemone/devices/cpu/testing/cpu_testing.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "anemone/devices/cpu/kernel.h"

namespace anemone::cpu_testing {

Tensor fp32(const Shape& shape, uint64_t seed, double low, double high) {
  return random_tensor(shape, seed, low, high).cast(DType::kFp32);
}

Tensor int32(const Shape& shape, const std::vector<int32_t>& values) {
  return Tensor::of<int32_t>(shape, values);
}

NamedTensors name_inputs(const Function& function, const Inputs& inputs) {
  NamedTensors named;
  for (size_t i = 0; i < inputs.size(); ++i) {
    named[function.inputs[i]->name] = inputs[i].tensor->clone();
  }
  return named;
}

Bound::Bound(Device& device, const Function& function, const CompileOptions& options)
    : executable_(device.compile(function, options)) {
  std::vector<Binding> inputs, outputs;
  for (const auto& [name, type] : executable_->inputs()) {
    inputs.push_back({name, add(device, name, type)});
  }
  for (const auto& [name, type] : executable_->outputs()) {
    const auto& output = name;
    const auto pair = std::find_if(options.in_place.begin(), options.in_place.end(),
                                   [&](const auto& each) { return each.second == output; });
    const bool shared = pair != options.in_place.end();
    outputs_[name] = shared ? buffers_.at(pair->first).get() : add(device, name, type);
    outputs.push_back({name, outputs_[name]});
  }
  request_ = executable_->bind(inputs, outputs);
}

Buffer* Bound::add(Device& device, const std::string& name, const Type& type) {
  return (buffers_[name] = device.allocate(type)).get();
}

NamedTensors Bound::run(const NamedTensors& inputs) {
  for (const auto& [name, tensor] : inputs) buffers_.at(name)->write(tensor);
  run();
  NamedTensors results;
  for (const auto& [name, from] : outputs_) {
    Tensor result(from->type().dtype, from->type().shape);
    from->read(result);
    results[name] = std::move(result);
  }
  return results;
}

NamedTensors run_on_cpu(const Function& function, const NamedTensors& inputs, int threads) {
  ThreadPool pool(threads);
  return Bound(*make_cpu_device(pool), function).run(inputs);
}

void expect_same(const NamedTensors& actual, const NamedTensors& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(actual.contains(name)) << name;
    EXPECT_EQ(to_string(actual.at(name).shape()), to_string(tensor.shape()));
    EXPECT_LE(compare(actual.at(name), tensor).relative_norm, tolerance) << name;
  }
}

void expect_cpu_equals_reference(const Inputs& inputs, const Build& build, double tolerance) {
  const Function function = make_function(inputs, build);
  const NamedTensors named = name_inputs(function, inputs);
  const NamedTensors alone = run_on_cpu(function, named);
  expect_same(alone, evaluate(function, named), tolerance);
  for (int threads : {2, 3}) expect_same(run_on_cpu(function, named, threads), alone, 0);
}

void expect_fast(const Inputs& inputs, const Build& build, bool fast) {
  const Function function = make_function(inputs, build);
  EXPECT_EQ(make_fast_kernel(*function.operations.back()) != nullptr, fast);
  expect_cpu_equals_reference(inputs, build);
}

}  // namespace anemone::cpu_testing
