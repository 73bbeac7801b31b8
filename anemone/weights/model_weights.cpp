#include "anemone/weights/model_weights.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "anemone/base/error.h"

namespace anemone {
namespace {

void check_tensor(const TensorView& tensor, const TensorShape& expected, const std::string& place) {
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

std::string layer_tensor(int64_t layer, std::string_view part) {
  return fmt::format("model.layers.{}.{}.weight", layer, part);
}

std::vector<TensorShape> expected_tensors(const LlamaConfig& config) {
  const int64_t d = config.dim, f = config.hidden_dim, v = config.vocab_size;
  const int64_t q = config.heads * config.head_size, kv = config.kv_heads * config.head_size;
  std::vector<TensorShape> tensors = {{"model.embed_tokens.weight", {v, d}}};
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const auto add = [&](std::string_view part, Shape shape) {
      tensors.push_back({layer_tensor(layer, part), std::move(shape)});
    };
    add("input_layernorm", {d});
    add("self_attn.q_proj", {q, d});
    add("self_attn.k_proj", {kv, d});
    add("self_attn.v_proj", {kv, d});
    add("self_attn.o_proj", {d, q});
    add("post_attention_layernorm", {d});
    add("mlp.gate_proj", {f, d});
    add("mlp.up_proj", {f, d});
    add("mlp.down_proj", {d, f});
  }
  tensors.push_back({"model.norm.weight", {d}});
  if (!config.tied_classifier) tensors.push_back({"lm_head.weight", {v, d}});
  return tensors;
}

void check(const ModelView& weights, const std::string& where) {
  weights.config.validate(where);
  const std::vector<TensorShape> expected = expected_tensors(weights.config);
  for (const TensorShape& tensor : expected) {
    const auto found = weights.tensors.find(tensor.name);
    if (found == weights.tensors.end()) {
      fail(where, fmt::format("tensor '{}' is missing", tensor.name));
    }
    check_tensor(found->second, tensor, fmt::format("{}, tensor '{}'", where, tensor.name));
  }
  if (weights.tensors.size() == expected.size()) return;
  std::map<std::string, Shape> names;
  for (const TensorShape& tensor : expected) names[tensor.name] = tensor.shape;
  for (const auto& [name, tensor] : weights.tensors) {
    if (!names.count(name)) fail(where, fmt::format("has no place for tensor '{}'", name));
  }
}

void permute_rotary_rows(const TensorView& matrix, int64_t head_size, RotaryRows direction) {
  ANEMONE_CHECK(matrix.shape.size() == 2 && head_size % 2 == 0 && matrix.shape[0] % head_size == 0);
  const auto k = static_cast<size_t>(head_size), columns = static_cast<size_t>(matrix.shape[1]);
  const std::span<float> values = matrix.as<float>();
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

}  // namespace anemone
