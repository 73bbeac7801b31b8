#include "anemone/export/transformer_package.h"

#include <fmt/format.h>

#include <cmath>

#include "anemone/base/error.h"
#include "anemone/export/package_features.h"
#include "anemone/model/transformer.h"
#include "anemone/passes/link_chain.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/ports_to_states.h"

namespace anemone {
namespace {

void check(const TransformerConfig& config, const TransformerPackageOptions& options) {
  if (options.sequence < 1 || options.sequence > config.max_sequence) {
    fail("--seq", fmt::format("{} is outside [1, {}], the model's positions", options.sequence,
                              config.max_sequence));
  }
  if (!options.states) return;
  if (options.dtype != DType::kFp16) {
    fail("--states", "Core ML's states are fp16", "--dtype fp16, or caches as ports");
  }
  if (!options.decode) fail("--states", "a package without decode has no caches");
}

std::shared_ptr<const Tensor> stored(const std::string& name, const Tensor& numbers, DType dtype) {
  constexpr float kLargest = 65504;
  if (dtype == DType::kFp16) {
    for (const float x : numbers.as<float>()) {
      if (std::abs(x) > kLargest) {
        fail(name, fmt::format("{} is beyond fp16", x), "--dtype fp32");
      }
    }
  }
  return std::make_shared<const Tensor>(numbers.cast(dtype));
}

ParameterTensors stored(const ModelWeights& weights, DType dtype) {
  ParameterTensors tensors;
  for (const auto& [name, numbers] : weights.tensors) {
    tensors[name] = stored(name, numbers, dtype);
  }
  return tensors;
}

// "k_cache_out" of "layers.3.attention" is k_cache_3_out.
std::string port_name(const StageUse& use, const std::string& port) {
  const size_t begin = port.find("_cache");
  if (begin == std::string::npos) return port;
  const size_t end = begin + std::string_view("_cache").size();
  const size_t layer = use.label.find('.') + 1;
  const std::string number = use.label.substr(layer, use.label.find('.', layer) - layer);
  return port.substr(0, end) + "_" + number + port.substr(end);
}

Function linked(StageChain chain, const std::string& name, const ParameterTensors& tensors,
                DType dtype) {
  for (Stage& stage : chain.stages) {
    if (dtype == DType::kFp16) to_fp16(stage.function);
    decompose_composites(stage.function);
  }
  return link_chain(chain, name, tensors, port_name);
}

std::vector<StatePorts> caches(const TransformerConfig& config) {
  std::vector<StatePorts> ports;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    for (const char* kind : {"k", "v"}) {
      const std::string name = fmt::format("{}_cache_{}", kind, layer);
      ports.push_back({name, name + "_out"});
    }
  }
  return ports;
}

}  // namespace

ModelPackage transformer_package(ModelWeights weights, const TransformerPackageOptions& options) {
  set_interleaved(weights, false);
  const TransformerConfig& config = weights.config;
  check(config, options);
  const ParameterTensors tensors = stored(weights, options.dtype);
  ModelPackage package;
  std::vector<Function>& functions = package.program.functions;
  if (options.decode) {
    functions.push_back(
        linked(cache_filling_chain(config, options.sequence), "prefill", tensors, options.dtype));
    functions.push_back(
        linked(cache_updating_chain(config, options.sequence), "decode", tensors, options.dtype));
  } else {
    functions.push_back(linked(training_chain(config, 1, options.sequence, OutputHead::kLogits),
                               "main", tensors, options.dtype));
  }
  if (options.states) {
    for (Function& function : functions) ports_to_states(function, caches(config));
  }
  package.info = package_info(package.program, config, options);
  return package;
}

}  // namespace anemone
