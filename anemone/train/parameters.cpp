#include "anemone/train/parameters.h"

#include <algorithm>
#include <cmath>

#include "anemone/base/random.h"
#include "anemone/kernels/simd.h"
#include "anemone/passes/passes.h"

namespace anemone {
namespace {

// As multiples of a scale of each row, of which its largest number is 127.
void write_int8(const Parameter& parameter, const TensorView& numbers) {
  const auto rows = static_cast<size_t>(numbers.shape[0]);
  const size_t columns = static_cast<size_t>(numbers.size()) / std::max<size_t>(rows, 1);
  const Tensor stored(DType::kInt8, numbers.shape);
  const Tensor scales(DType::kFp32, {numbers.shape[0]});
  for (size_t row = 0; row < rows; ++row) {
    const auto from = numbers.as<float>().subspan(row * columns, columns);
    float largest = 0;
    for (const float x : from) largest = std::max(largest, std::abs(x));
    const float scale = largest > 0 ? largest / 127 : 1;
    scales.as<float>()[row] = scale;
    simd::quantize(from.data(), scale, 0, stored.as<int8_t>().data() + row * columns, columns);
  }
  parameter.value->write(stored);
  parameter.scale->write(scales);
}

void write(const Parameter& parameter, const TensorView& numbers) {
  if (!parameter.scale) return parameter.value->write(numbers);
  if (numbers.dtype == DType::kFp32) return write_int8(parameter, numbers);
  const Tensor wide(DType::kFp32, numbers.shape);
  convert(numbers, wide);
  write_int8(parameter, wide);
}

void allocate(Device& device, Parameter& parameter, DType type) {
  parameter.value = device.allocate(Type::tensor(type, parameter.shape));
  if (type != DType::kInt8) return;
  parameter.scale = device.allocate(Type::tensor(DType::kFp32, {parameter.shape[0]}));
}

// Matrices in `stored`, vectors in fp32.
DType stored_type(const ParameterSpec& spec, DType stored) {
  return spec.shape.size() >= 2 ? stored : DType::kFp32;
}

}  // namespace

void Parameter::become_trained(Device& device) {
  for (auto* memory : {&gradient, &first_moment, &second_moment}) {
    *memory = device.allocate(Type::tensor(DType::kFp32, shape));
  }
}

ParameterSet::ParameterSet(Device& device, ModelWeights weights, const Trains& trains, DType stored)
    : config_(weights.config) {
  const bool has_numbers = !weights.tensors.empty();
  for (const ParameterSpec& spec : parameters(config_)) {
    Parameter& parameter = add(spec);
    const bool trained = trains(spec);
    const DType type = trained ? DType::kFp32 : stored_type(spec, stored);
    if (trained) parameter.become_trained(device);
    auto tensor = weights.tensors.extract(spec.name);
    ANEMONE_CHECK(!has_numbers || !tensor.empty());
    if (has_numbers && !trained && type != DType::kInt8 && tensor.mapped().dtype() == type) {
      tensor.mapped().reshape(spec.shape);
      parameter.value = device.adopt(std::move(tensor.mapped()));
      continue;
    }
    allocate(device, parameter, type);
    if (has_numbers) write(parameter, tensor.mapped());  // and the tensor is given back
  }
}

ParameterSet::ParameterSet(Device& device, ModelWeights weights, bool trained, DType stored)
    : ParameterSet(
          device, std::move(weights), [=](const ParameterSpec&) { return trained; }, stored) {}

ParameterSet::ParameterSet(Device& device, const ModelView& weights, DType stored)
    : config_(weights.config) {
  for (const ParameterSpec& spec : parameters(config_)) {
    Parameter& parameter = add(spec);
    allocate(device, parameter, stored_type(spec, stored));
    write(parameter, weights.tensors.at(spec.name));
  }
}

Parameter& ParameterSet::add(const ParameterSpec& spec) {
  index_[spec.name] = parameters_.size();
  return parameters_.emplace_back(
      Parameter{spec.name, spec.shape, nullptr, nullptr, nullptr, nullptr});
}

Parameter& ParameterSet::find(const std::string& name) { return parameters_[index_.at(name)]; }

ParameterLookup ParameterSet::values() {
  std::map<std::string, Buffer*> all;
  for (const Parameter& parameter : parameters_) {
    all[parameter.name] = parameter.value.get();
    if (parameter.scale) all[scale_parameter(parameter.name)] = parameter.scale.get();
  }
  return [all = std::move(all)](const std::string& name) { return all.at(name); };
}

ModelView ParameterSet::weights() const {
  ModelView view;
  view.config = config_;
  for (const Parameter& parameter : parameters_) {
    view.tensors[parameter.name] = parameter.value->map();
    ANEMONE_CHECK(view.tensors[parameter.name].data != nullptr);
  }
  return view;
}

int64_t ParameterSet::count() const {
  int64_t count = 0;
  for (const Parameter& parameter : parameters_) count += element_count(parameter.shape);
  return count;
}

int64_t ParameterSet::trained_count() const {
  int64_t count = 0;
  for (const Parameter& parameter : parameters_) {
    if (parameter.is_trained()) count += element_count(parameter.shape);
  }
  return count;
}

ModelWeights initial_weights(const TransformerConfig& config, uint64_t seed) {
  ModelWeights weights{config, {}};
  Random random(seed);
  for (const ParameterSpec& spec : parameters(config)) {
    Tensor tensor(DType::kFp32, spec.shape);
    for (float& value : tensor.as<float>()) {
      const double noise = spec.deviation == 0 ? 0 : spec.deviation * random.normal();
      value = static_cast<float>(spec.mean + noise);
    }
    weights.tensors.emplace(spec.name, std::move(tensor));
  }
  return weights;
}

}  // namespace anemone
