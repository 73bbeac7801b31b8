// The weights of one model in memory, whichever file they came from.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "anemone/tensor/tensor.h"
#include "anemone/weights/llama_config.h"

namespace anemone {

// fp32 tensors under Hugging Face's names (expected_tensors). The rows of q_proj and k_proj are in
// llama2.c's order: a head rotates rows 2i and 2i + 1 together.
struct ModelWeights {
  LlamaConfig config;
  std::map<std::string, Tensor> tensors;
  // What a user should know of how the files were read, a sentence each.
  std::vector<std::string> notes = {};
};

// The same, looked at where it lies: what writing a model needs, without a copy of it.
struct ModelView {
  LlamaConfig config;
  std::map<std::string, TensorView> tensors;

  ModelView() = default;
  ModelView(const ModelWeights& weights)  // NOLINT: looking is always fine
      : config(weights.config), tensors(weights.tensors.begin(), weights.tensors.end()) {}
};

struct TensorShape {
  std::string name;
  Shape shape;
};

// Every tensor of such a model, in canonical order. D dim, F hidden_dim, H heads, G kv_heads,
// K head_size, V vocab_size:
//   model.embed_tokens.weight [V, D]
//   model.layers.N.input_layernorm.weight [D]
//   model.layers.N.self_attn.{q,k,v,o}_proj.weight [H*K, D] [G*K, D] [G*K, D] [D, H*K]
//   model.layers.N.post_attention_layernorm.weight [D]
//   model.layers.N.mlp.{gate,up,down}_proj.weight [F, D] [F, D] [D, F]    (llama2.c: w1, w3, w2)
//   model.norm.weight [D]
//   lm_head.weight [V, D], unless the classifier is tied
std::vector<TensorShape> expected_tensors(const LlamaConfig& config);

// "model.layers.3.mlp.up_proj.weight" for (3, "mlp.up_proj").
std::string layer_tensor(int64_t layer, std::string_view part);

// Throws Error at `where` unless the tensors are exactly the expected ones, fp32, and finite.
void check(const ModelView& weights, const std::string& where);

// Hugging Face rotates rows i and i + K/2 of a head together, llama2.c (and we) rows 2i and 2i + 1.
// `matrix` is [heads * head_size, columns] fp32 and is reordered in place.
enum class RotaryRows { kHalfSplitToInterleaved, kInterleavedToHalfSplit };
void permute_rotary_rows(const TensorView& matrix, int64_t head_size, RotaryRows direction);

}  // namespace anemone
