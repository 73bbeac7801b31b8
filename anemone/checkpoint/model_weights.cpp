#include "anemone/checkpoint/model_weights.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "anemone/base/error.h"

namespace anemone {
namespace {

void check_tensor(const TensorView& tensor, const ParameterSpec& expected,
                  const std::string& place) {
  if (tensor.shape != expected.shape) {
    fail(place, fmt::format("has shape {}, the configuration asks for {}", to_string(tensor.shape),
                            to_string(expected.shape)));
  }
  if (tensor.dtype != DType::kFp32) {
    fail(place, fmt::format("has elements of type {}, not fp32", name(tensor.dtype)));
  }
  const std::span<const float> values = tensor.as<float>();
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      fail(place, fmt::format("element {} is {}", i, values[i]),
           "the file is damaged, or training diverged");
    }
  }
}

}  // namespace

void check(const ModelView& weights, const std::string& where) {
  weights.config.validate(where);
  const std::vector<ParameterSpec> expected = parameters(weights.config);
  for (const ParameterSpec& tensor : expected) {
    const auto found = weights.tensors.find(tensor.name);
    if (found == weights.tensors.end()) {
      fail(where, fmt::format("tensor '{}' is missing", tensor.name));
    }
    check_tensor(found->second, tensor, fmt::format("{}, tensor '{}'", where, tensor.name));
  }
  if (weights.tensors.size() == expected.size()) return;
  std::map<std::string, Shape> names;
  for (const ParameterSpec& tensor : expected) names[tensor.name] = tensor.shape;
  for (const auto& [name, tensor] : weights.tensors) {
    if (!names.count(name)) fail(where, fmt::format("has no place for tensor '{}'", name));
  }
}

void permute_rotary_rows(const TensorView& tensor, int64_t head_size, RotaryRows direction) {
  ANEMONE_CHECK(!tensor.shape.empty() && head_size % 2 == 0 && tensor.shape[0] % head_size == 0);
  const auto k = static_cast<size_t>(head_size);
  const auto columns = static_cast<size_t>(tensor.size() / tensor.shape[0]);
  const std::span<float> values = tensor.as<float>();
  std::vector<float> head(k * columns);
  for (size_t begin = 0; begin < values.size(); begin += head.size()) {
    std::memcpy(head.data(), values.data() + begin, head.size() * sizeof(float));
    for (size_t row = 0; row < k; ++row) {
      const size_t split = row / 2 + row % 2 * (k / 2);  // where interleaved row `row` is in halves
      const bool to_interleaved = direction == RotaryRows::kHalfSplitToInterleaved;
      const size_t from = to_interleaved ? split : row, to = to_interleaved ? row : split;
      std::memcpy(values.data() + begin + to * columns, head.data() + from * columns,
                  columns * sizeof(float));
    }
  }
}

void set_interleaved(ModelWeights& weights, bool interleaved) {
  TransformerConfig& config = weights.config;
  if (config.rope.interleaved == interleaved) return;
  for (const ParameterSpec& spec : parameters(config)) {
    if (!spec.rotary) continue;
    permute_rotary_rows(
        weights.tensors.at(spec.name), config.head_size,
        interleaved ? RotaryRows::kHalfSplitToInterleaved : RotaryRows::kInterleavedToHalfSplit);
  }
  config.rope.interleaved = interleaved;
}

}  // namespace anemone
