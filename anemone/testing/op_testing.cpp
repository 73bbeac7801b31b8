#include "anemone/testing/op_testing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/base/random.h"
#include "anemone/ops/verify.h"
#include "anemone/text/parser.h"

namespace anemone {
namespace {

constexpr double kStep = 1e-5;

std::string numbered(const char* stem, size_t index) { return stem + std::to_string(index); }

NamedTensors name_inputs(const Inputs& inputs) {
  NamedTensors named;
  for (size_t i = 0; i < inputs.size(); ++i) named[numbered("in", i)] = inputs[i].tensor->clone();
  return named;
}

// Weights of output `index` in the scalar that is differentiated.
Tensor output_weights(const Shape& shape, size_t index) {
  return random_tensor(shape, 1000 + index, 0.5, 1.5);
}

double weighted_sum(const Function& function, const NamedTensors& inputs) {
  const NamedTensors outputs = evaluate(function, inputs);
  double sum = 0;
  for (size_t i = 0; i < function.outputs.size(); ++i) {
    const Tensor& output = outputs.at(function.outputs[i]->name);
    if (output.dtype() != DType::kFp64) continue;
    const Tensor weights = output_weights(output.shape(), i);
    for (int64_t j = 0; j < output.size(); ++j) sum += output.at(j) * weights.at(j);
  }
  return sum;
}

// The function with the gradients of its fp64 inputs as outputs "d<input>", where there are any.
Function gradient_function(const Function& forward) {
  Function function = forward.clone();
  Builder builder(function);
  std::vector<std::pair<Value, Value>> seeds;
  for (size_t i = 0; i < function.outputs.size(); ++i) {
    const Value output = function.outputs[i];
    if (output->type.dtype != DType::kFp64) continue;
    seeds.emplace_back(output, builder.constant(output_weights(output->type.shape, i)));
  }
  std::vector<Value> wanted;
  for (Value input : function.inputs) {
    if (input->type.dtype == DType::kFp64) wanted.push_back(input);
  }
  const std::vector<Value> gradients = reverse_sweep(builder, seeds, wanted);
  function.outputs.clear();
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NE(gradients[i], nullptr) << "no gradient reaches " << wanted[i]->name;
    if (!gradients[i]) continue;
    EXPECT_EQ(to_string(gradients[i]->type), to_string(wanted[i]->type));
    builder.output("d" + wanted[i]->name, builder.unary("identity", gradients[i]));
  }
  function.remove_unused();
  return function;
}

std::vector<Tensor> in_order(const Function& function, NamedTensors named) {
  std::vector<Tensor> outputs;
  for (Value output : function.outputs) outputs.push_back(std::move(named.at(output->name)));
  return outputs;
}

}  // namespace

Tensor random_tensor(const Shape& shape, uint64_t seed, double low, double high) {
  Random random(seed);
  Tensor tensor(DType::kFp64, shape);
  for (double& value : tensor.as<double>()) value = low + (high - low) * random.uniform();
  return tensor;
}

Function make_function(const Inputs& inputs, const Build& build) {
  Function function("main", "ios18");
  Builder builder(function);
  std::vector<Value> parameters;
  for (size_t i = 0; i < inputs.size(); ++i) {
    parameters.push_back(
        builder.input(numbered("in", i), inputs[i].tensor->dtype(), inputs[i].tensor->shape()));
  }
  const std::vector<Value> outputs = build(builder, parameters);
  for (size_t i = 0; i < outputs.size(); ++i) builder.output(numbered("out", i), outputs[i]);
  return function;
}

std::vector<Tensor> run_reference(const Inputs& inputs, const Build& build) {
  const Function function = make_function(inputs, build);
  return in_order(function, evaluate(function, name_inputs(inputs)));
}

Tensor run_one(const Inputs& inputs, const BuildOne& build) {
  return std::move(run_reference(inputs, [&](Builder& b, const auto& in) {
                     return std::vector{build(b, in)};
                   }).at(0));
}

std::vector<Tensor> run_mil(const std::string& text, const Inputs& inputs) {
  const Program program = parse_mil(text);
  const Function& function = program.functions.front();
  require_valid(function);
  NamedTensors named;
  for (size_t i = 0; i < inputs.size(); ++i) {
    named[function.inputs[i]->name] = inputs[i].tensor->clone();
  }
  return in_order(function, evaluate(function, named));
}

std::vector<double> values(const Tensor& tensor) {
  std::vector<double> result(static_cast<size_t>(tensor.size()));
  for (int64_t i = 0; i < tensor.size(); ++i) result[static_cast<size_t>(i)] = tensor.at(i);
  return result;
}

void expect_gradients(const Inputs& inputs, const Build& build, double tolerance) {
  const Function forward = make_function(inputs, build);
  NamedTensors named = name_inputs(inputs);
  const NamedTensors gradients = evaluate(gradient_function(forward), named);
  for (auto& [name, tensor] : named) {
    const auto gradient = gradients.find("d" + name);
    if (gradient == gradients.end()) continue;
    for (int64_t i = 0; i < tensor.size(); ++i) {
      const double saved = tensor.at(i);
      tensor.view().set(i, saved + kStep);
      const double above = weighted_sum(forward, named);
      tensor.view().set(i, saved - kStep);
      const double below = weighted_sum(forward, named);
      tensor.view().set(i, saved);
      const double expected = (above - below) / (2 * kStep);
      EXPECT_NEAR(gradient->second.at(i), expected, tolerance * std::max(1.0, std::abs(expected)))
          << "d" << name << "[" << i << "]";
    }
  }
}

void expect_gradient(const Inputs& inputs, const BuildOne& build, double tolerance) {
  expect_gradients(
      inputs, [&](Builder& b, const auto& in) { return std::vector{build(b, in)}; }, tolerance);
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

std::string refusal(const Inputs& inputs, const BuildOne& build) {
  return error_of([&] { run_one(inputs, build); });
}

}  // namespace anemone
