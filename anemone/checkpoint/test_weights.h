// For tests: small models with recognisable numbers.
#pragma once

#include <algorithm>

#include "anemone/base/random.h"
#include "anemone/checkpoint/model_weights.h"

namespace anemone {

// Random weights of a tiny grouped-query model.
inline ModelWeights tiny_weights(bool tied = true, int64_t head_size = 4) {
  ModelWeights weights;
  weights.config = {.vocab_size = 12,
                    .dim = 16,
                    .hidden_dim = 24,
                    .layers = 2,
                    .heads = 4,
                    .kv_heads = 2,
                    .head_size = head_size,
                    .max_sequence = 10,
                    .tied_classifier = tied};
  Random random(3);
  for (const ParameterSpec& expected : parameters(weights.config)) {
    Tensor tensor(DType::kFp32, expected.shape);
    for (float& value : tensor.as<float>()) value = static_cast<float>(random.normal());
    weights.tensors[expected.name] = std::move(tensor);
  }
  return weights;
}

// Grouped-query attention in sizes that no rule of a recent Neural Engine minds, for sequences
// of 32.
inline TransformerConfig engine_sized_config() {
  return {.vocab_size = 96,
          .dim = 64,
          .hidden_dim = 160,
          .layers = 2,
          .heads = 4,
          .kv_heads = 2,
          .head_size = 16,
          .max_sequence = 64};
}

inline bool same_values(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::equal(a.as<float>().begin(), a.as<float>().end(), b.as<float>().begin());
}

inline bool same_values(const ModelWeights& a, const ModelWeights& b) {
  return a.config == b.config && std::equal(a.tensors.begin(), a.tensors.end(), b.tensors.begin(),
                                            b.tensors.end(), [](const auto& x, const auto& y) {
                                              return x.first == y.first &&
                                                     same_values(x.second, y.second);
                                            });
}

}  // namespace anemone
