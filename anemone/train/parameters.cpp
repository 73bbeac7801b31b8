#include "anemone/train/parameters.h"

#include <cmath>

#include "anemone/base/random.h"

namespace anemone {

ParameterSet::ParameterSet(Device& device, ModelWeights weights, bool trained, DType stored)
    : config_(weights.config) {
  ANEMONE_CHECK(!trained || stored == DType::kFp32);
  const bool has_numbers = !weights.tensors.empty();
  for (const TensorShape& expected : expected_tensors(config_)) {
    Parameter parameter{expected.name, expected.shape, nullptr, nullptr, nullptr, nullptr};
    const Type type = Type::tensor(DType::kFp32, expected.shape);
    const bool narrow = expected.shape.size() >= 2;
    parameter.value = device.allocate(narrow ? Type::tensor(stored, expected.shape) : type);
    if (has_numbers) {
      auto tensor = weights.tensors.extract(expected.name);
      ANEMONE_CHECK(!tensor.empty());
      parameter.value->write(tensor.mapped());  // and the tensor is given back
    }
    if (trained) {
      parameter.gradient = device.allocate(type);
      parameter.first_moment = device.allocate(type);
      parameter.second_moment = device.allocate(type);
    }
    index_[parameter.name] = parameters_.size();
    parameters_.push_back(std::move(parameter));
  }
}

Parameter& ParameterSet::find(const std::string& name) { return parameters_[index_.at(name)]; }

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

ModelWeights initial_weights(const LlamaConfig& config, uint64_t seed) {
  ModelWeights weights{config, {}};
  Random random(seed);
  const double residual = 1 / std::sqrt(2.0 * static_cast<double>(config.layers));
  for (const TensorShape& expected : expected_tensors(config)) {
    Tensor tensor(DType::kFp32, expected.shape);
    const bool ends_branch =
        expected.name.ends_with("o_proj.weight") || expected.name.ends_with("down_proj.weight");
    // The table is looked up, and as the classifier it must start with small logits.
    const bool is_table =
        expected.name.ends_with("embed_tokens.weight") || expected.name.ends_with("lm_head.weight");
    const double fan_in = static_cast<double>(expected.shape.back());
    const double deviation =
        is_table ? 0.02 : 0.5 / std::sqrt(fan_in) * (ends_branch ? residual : 1);
    for (float& value : tensor.as<float>()) {
      value = expected.shape.size() == 1 ? 1.0f : static_cast<float>(deviation * random.normal());
    }
    weights.tensors.emplace(expected.name, std::move(tensor));
  }
  return weights;
}

}  // namespace anemone
