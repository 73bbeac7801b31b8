// The trained numbers of a model: value, gradient and moments of every parameter, on a device.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "anemone/checkpoint/model_weights.h"
#include "anemone/devices/device.h"
#include "anemone/runtime/forward_program.h"

namespace anemone {

struct Parameter {
  std::string name;  // as in ModelWeights
  Shape shape;
  // fp32, but for values that are stored in fewer bits; the last three may be null.
  std::unique_ptr<Buffer> value, gradient, first_moment, second_moment;
  // Of each row of a matrix in int8, or each group in int4 (passes.h, scale_type()); else null.
  std::unique_ptr<Buffer> scale = nullptr;

  bool decays() const { return shape.size() >= 2; }
  bool is_trained() const { return gradient != nullptr; }
  // Gives it a gradient and moments, which are zero.
  void become_trained(Device& device);
};

// Which parameters are trained.
using Trains = std::function<bool(const ParameterSpec& spec)>;

class ParameterSet {
 public:
  // Takes the weights over tensor by tensor; where there are none the values stay as the device
  // allocates them. Parameters that are not trained have values only, and may be `stored` in fewer
  // bits, in passes.h's stored_type(), as narrow_matrix.h has them. Values that a file holds in
  // that type stay where it is mapped, if the device allows.
  ParameterSet(Device& device, ModelWeights weights, const Trains& trains,
               DType stored = DType::kFp32);
  // All of them, or none.
  ParameterSet(Device& device, ModelWeights weights, bool trained, DType stored = DType::kFp32);
  // Values only, which are copies.
  ParameterSet(Device& device, const ModelView& weights, DType stored);

  const TransformerConfig& config() const { return config_; }
  // In the order of parameters(config).
  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }
  Parameter& find(const std::string& name);
  // Of the values, and under scale_parameter(name) of the scales, while this lives.
  ParameterLookup values();

  // The values where they lie; the device must let the host reach them.
  ModelView weights() const;
  int64_t count() const;  // numbers, not tensors
  int64_t trained_count() const;

 private:
  Parameter& add(const ParameterSpec& spec);

  TransformerConfig config_;
  std::vector<Parameter> parameters_;
  std::map<std::string, size_t> index_;
};

// As the stages declare them (parameter_spec.h). Depends on nothing but config and seed.
ModelWeights initial_weights(const TransformerConfig& config, uint64_t seed);

}  // namespace anemone
