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
  parameter.scale ? write_int8(parameter, numbers) : parameter.value->write(numbers);
}

}  // namespace

void Parameter::become_trained(Device& device) {
  for (auto* memory : {&gradient, &first_moment, &second_moment}) {
    *memory = device.allocate(Type::tensor(DType::kFp32, shape));
  }
}

ParameterSet::ParameterSet(Device& device, ModelWeights weights, bool trained, DType stored)
    : config_(weights.config) {
  ANEMONE_CHECK(!trained || stored == DType::kFp32);
  const bool has_numbers = !weights.tensors.empty();
  for (const ParameterSpec& expected : parameters(config_)) {
    const Parameter& parameter = add(device, expected, trained, stored);
    if (!has_numbers) continue;
    auto tensor = weights.tensors.extract(expected.name);
    ANEMONE_CHECK(!tensor.empty());
    write(parameter, tensor.mapped());  // and the tensor is given back
  }
}

ParameterSet::ParameterSet(Device& device, const ModelView& weights, DType stored)
    : config_(weights.config) {
  for (const ParameterSpec& expected : parameters(config_)) {
    write(add(device, expected, /*trained=*/false, stored), weights.tensors.at(expected.name));
  }
}

Parameter& ParameterSet::add(Device& device, const ParameterSpec& spec, bool trained,
                             DType stored) {
  Parameter parameter{spec.name, spec.shape, nullptr, nullptr, nullptr, nullptr};
  const Type type = Type::tensor(DType::kFp32, spec.shape);
  const bool is_matrix = spec.shape.size() >= 2;
  parameter.value = device.allocate(is_matrix ? Type::tensor(stored, spec.shape) : type);
  if (is_matrix && stored == DType::kInt8) {
    parameter.scale = device.allocate(Type::tensor(DType::kFp32, {spec.shape[0]}));
  }
  if (trained) parameter.become_trained(device);
  index_[parameter.name] = parameters_.size();
  return parameters_.emplace_back(std::move(parameter));
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
