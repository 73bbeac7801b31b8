#include "anemone/train/parameters.h"

#include "anemone/base/random.h"
#include "anemone/passes/passes.h"
#include "anemone/train/narrow_matrix.h"

namespace anemone {
namespace {

void allocate(Device& device, Parameter& parameter, DType type) {
  parameter.value = device.allocate(Type::tensor(type, parameter.shape));
  if (type != DType::kInt8 && type != DType::kInt4) return;
  parameter.scale = device.allocate(scale_type(parameter.shape, type));
}

// Memory of its own for the numbers, in that type.
void store(Device& device, Parameter& parameter, DType type, const TensorView& numbers) {
  if (type != DType::kInt8 && type != DType::kInt4) {
    allocate(device, parameter, type);
    return parameter.value->write(numbers);
  }
  NarrowMatrix narrow = narrowed(numbers, type);
  narrow.numbers.reshape(parameter.shape);
  parameter.value = device.adopt(std::move(narrow.numbers));
  parameter.scale = device.adopt(std::move(narrow.scales));
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
    const DType type = trained ? DType::kFp32 : stored_type(spec.shape, stored);
    if (trained) parameter.become_trained(device);
    auto tensor = weights.tensors.extract(spec.name);
    ANEMONE_CHECK(!has_numbers || !tensor.empty());
    if (has_numbers && !trained && tensor.mapped().dtype() == type) {
      tensor.mapped().reshape(spec.shape);
      parameter.value = device.adopt(std::move(tensor.mapped()));
      continue;
    }
    // And the tensor is given back.
    has_numbers ? store(device, parameter, type, tensor.mapped())
                : allocate(device, parameter, type);
  }
}

ParameterSet::ParameterSet(Device& device, ModelWeights weights, bool trained, DType stored)
    : ParameterSet(
          device, std::move(weights), [=](const ParameterSpec&) { return trained; }, stored) {}

ParameterSet::ParameterSet(Device& device, const ModelView& weights, DType stored)
    : config_(weights.config) {
  for (const ParameterSpec& spec : parameters(config_)) {
    Parameter& parameter = add(spec);
    store(device, parameter, stored_type(spec.shape, stored), weights.tensors.at(spec.name));
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
