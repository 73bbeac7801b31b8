#include "anemone/checkpoint/model_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "anemone/base/error.h"

namespace anemone {
namespace {

// Whether no exponent has all bits set. A maximum of signed numbers, because compilers make vectors
// of it: all weights of a mapped file are looked at as fast as memory is read.
template <typename Bits>
bool all_finite(const TensorView& tensor, Bits exponent) {
  constexpr Bits kAllButTheSign = std::numeric_limits<Bits>::max();
  const auto* bits = static_cast<const Bits*>(tensor.data);
  const int64_t count = tensor.size();
  Bits largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    largest = std::max<Bits>(largest, bits[i] & kAllButTheSign);
  }
  return largest < exponent;
}

bool all_finite(const TensorView& tensor) {
  if (tensor.dtype == DType::kFp32) return all_finite<int32_t>(tensor, 0x7F800000);
  return all_finite<int16_t>(tensor, tensor.dtype == DType::kFp16 ? 0x7C00 : 0x7F80);
}

void check_tensor(const TensorView& tensor, const ParameterSpec& expected,
                  const std::string& place) {
  if (tensor.shape != expected.shape) {
    fail(place, fmt::format("has shape {}, the configuration asks for {}", to_string(tensor.shape),
                            to_string(expected.shape)));
  }
  if (tensor.dtype != DType::kFp32 && tensor.dtype != DType::kFp16 &&
      tensor.dtype != DType::kBf16) {
    fail(place, fmt::format("has elements of type {}, not fp32, fp16 or bf16", name(tensor.dtype)));
  }
  if (all_finite(tensor)) return;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (!std::isfinite(tensor.at(i))) {
      fail(place, fmt::format("element {} is {}", i, tensor.at(i)),
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
    Tensor& tensor = weights.tensors.at(spec.name);
    tensor = tensor.cast(DType::kFp32);  // never where a file is mapped
    permute_rotary_rows(
        weights.tensors.at(spec.name), config.head_size,
        interleaved ? RotaryRows::kHalfSplitToInterleaved : RotaryRows::kInterleavedToHalfSplit);
  }
  config.rope.interleaved = interleaved;
}

}  // namespace anemone
