#include "anemone/selftest/harness.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/clock.h"
#include "anemone/base/random.h"
#include "anemone/ops/evaluate.h"

namespace anemone {
namespace {

Literal literal_of(const Problem& problem, size_t weight, DType dtype) {
  const Tensor& tensor = problem.weights[weight];
  if (problem.numbers) return Literal::of(tensor.cast(dtype));
  Literal literal;
  literal.type = Type::tensor(dtype, tensor.shape());
  return literal;
}

}  // namespace

Function build_function(const Problem& problem, DType dtype) {
  Function function("selftest", "ios18");
  Builder b(function);
  std::vector<Value> inputs, weights;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    inputs.push_back(b.input(fmt::format("x{}", i), dtype, problem.inputs[i].shape()));
  }
  for (size_t i = 0; i < problem.weights.size(); ++i) {
    const std::string name = fmt::format("w{}", i);
    weights.push_back(problem.runtime_weights ? b.input(name, dtype, problem.weights[i].shape())
                                              : b.constant(literal_of(problem, i, dtype), name));
  }
  const std::vector<Value> results = problem.build(b, inputs, weights);
  for (size_t i = 0; i < results.size(); ++i) b.output(fmt::format("y{}", i), results[i]);
  return function;
}

namespace {

std::vector<const Tensor*> bound_tensors(const Problem& problem) {
  std::vector<const Tensor*> tensors;
  for (const Tensor& input : problem.inputs) tensors.push_back(&input);
  for (const Tensor& weight : problem.weights) {
    if (problem.runtime_weights) tensors.push_back(&weight);
  }
  return tensors;
}

// The buffer of each port, in the order of the names x0, x1, …, w0, … or y0, y1, …
std::vector<Binding> allocate(Device& device,
                              const std::vector<std::pair<std::string, Type>>& ports,
                              const std::vector<std::string>& names,
                              std::vector<std::unique_ptr<Buffer>>& buffers) {
  size_t largest = 0;
  for (const auto& [name, type] : ports) largest = std::max(largest, type.bytes());
  std::vector<Binding> bindings;
  for (const std::string& name : names) {
    const auto port =
        std::find_if(ports.begin(), ports.end(), [&](const auto& p) { return p.first == name; });
    ANEMONE_CHECK(port != ports.end());
    buffers.push_back(device.allocate(port->second, largest));
    bindings.push_back({port->first, buffers.back().get()});
  }
  return bindings;
}

}  // namespace

Tensor uniform(const Shape& shape, uint64_t seed, double low, double high) {
  Tensor tensor(DType::kFp32, shape);
  Random random(seed);
  for (float& value : tensor.as<float>()) {
    value = static_cast<float>(low + (high - low) * random.uniform());
  }
  return tensor.cast(DType::kFp16).cast(DType::kFp32);
}

Prepared::Prepared(Device& device, const Problem& problem, PackageTrip* trip) : device_(device) {
  CompileOptions options;
  std::vector<std::string> in_names, out_names;
  for (size_t i = 0; i < problem.inputs.size(); ++i) in_names.push_back(fmt::format("x{}", i));
  for (size_t i = 0; problem.runtime_weights && i < problem.weights.size(); ++i) {
    in_names.push_back(fmt::format("w{}", i));
    options.weights.push_back(in_names.back());
  }
  Function function = build_function(problem, device.info().float_type);
  if (trip) function = through_package(function, *trip);
  executable_ = device.compile(function, options);
  for (size_t i = 0; i < executable_->outputs().size(); ++i) {
    out_names.push_back(fmt::format("y{}", i));
  }
  const auto in = allocate(device, executable_->inputs(), in_names, inputs_);
  const auto out = allocate(device, executable_->outputs(), out_names, outputs_);
  const std::vector<const Tensor*> tensors = bound_tensors(problem);
  for (size_t i = 0; problem.numbers && i < tensors.size(); ++i) inputs_[i]->write(*tensors[i]);
  request_ = executable_->bind(in, out);
}

std::vector<Tensor> Prepared::run() {
  request_->run();
  std::vector<Tensor> results;
  for (const auto& output : outputs_) {
    results.emplace_back(DType::kFp32, output->type().shape);
    output->read(results.back());
  }
  return results;
}

double Prepared::run_ms() {
  if (Simulation* simulation = device_.simulation()) {
    const double first = simulation->run_ms(*executable_, 0);
    return simulation->run_ms(*executable_, first);
  }
  double least = 1e30;
  for (int i = 0; i < 5; ++i) {
    const Stopwatch watch;
    request_->run();
    least = std::min(least, watch.elapsed_ms());
  }
  return least;
}

std::vector<Tensor> reference(const Problem& problem) {
  const Function function = build_function(problem, DType::kFp64);
  NamedTensors given;
  const std::vector<const Tensor*> tensors = bound_tensors(problem);
  for (size_t i = 0; i < tensors.size(); ++i) {
    given[function.inputs[i]->name] = tensors[i]->cast(DType::kFp64);
  }
  NamedTensors found = evaluate(function, given);
  std::vector<Tensor> results;
  for (Value output : function.outputs) results.push_back(std::move(found.at(output->name)));
  return results;
}

Errors errors_on(Device& device, const Problem& problem, PackageTrip* trip) {
  const std::vector<Tensor> found = Prepared(device, problem, trip).run();
  const std::vector<Tensor> wanted = reference(problem);
  Errors errors;
  double sum = 0;
  int64_t count = 0;
  for (size_t r = 0; r < wanted.size(); ++r) {
    for (int64_t i = 0; i < wanted[r].size(); ++i, ++count) {
      double difference = std::abs(found[r].at(i) - wanted[r].at(i));
      if (!(difference < 1e30)) difference = 1e30;  // infinities and what is no number
      errors.max = std::max(errors.max, difference);
      sum += difference;
    }
  }
  errors.mean = count > 0 ? sum / static_cast<double>(count) : 0;
  return errors;
}

bool is_engine(const Device& device) { return device.info().float_type == DType::kFp16; }

Outcome pass_if(bool good, std::string notes) {
  return {good ? Verdict::kPass : Verdict::kFail, std::move(notes)};
}

}  // namespace anemone
