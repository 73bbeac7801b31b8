// The numbers and switches that define a decoder-only transformer: a model is data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/model/lora.h"
#include "anemone/model/rope.h"

namespace anemone {

// Ids that a config.json gives to the marks of a text. Generation goes by the tokenizer's; these
// are kept for the next reader of the model.
struct SpecialTokens {
  std::optional<int64_t> bos = 1;
  std::vector<int64_t> eos = {2};  // several: any of them ends a text; empty: none does
  std::optional<int64_t> pad = std::nullopt;

  bool operator==(const SpecialTokens&) const = default;
};

enum class Activation { kSilu, kGeluTanh };

// RMS norms of queries and keys, before they are rotated.
enum class QkNorm { kNone, kPerHead, kAllHeads };

// What one layer's attention is like.
struct LayerKind {
  bool sliding = false;  // sees the last `window` tokens, by `sliding_rope`
  bool rotates = true;   // has positions at all

  auto operator<=>(const LayerKind&) const = default;
};

struct TransformerConfig {
  int64_t vocab_size = 0;  // V
  int64_t dim = 0;         // D
  int64_t hidden_dim = 0;  // F, width of the feed-forward layer
  int64_t layers = 0;
  int64_t heads = 0;         // H
  int64_t kv_heads = 0;      // divides heads; fewer than heads is grouped-query attention
  int64_t head_size = 0;     // K, even; usually dim / heads
  int64_t max_sequence = 0;  // positions the model was made for
  double norm_epsilon = 1e-5;
  bool tied_classifier = true;  // the classifier is the embedding table
  SpecialTokens special = {};
  std::string model_type = "llama";  // of Hugging Face: the family (families.h)

  Rope rope = {};
  std::optional<Rope> sliding_rope = std::nullopt;  // where sliding layers have one of their own
  int64_t window = 0;                               // tokens that sliding layers see
  std::vector<LayerKind> layer_kinds = {};          // empty: all are the usual kind

  bool qkv_bias = false, output_bias = false, mlp_bias = false;
  QkNorm qk_norm = QkNorm::kNone;
  // RMS norms before attention and feed-forward, and of their results before these are added.
  bool norms_before = true, norms_after = false;
  bool norm_adds_one = false;  // norms multiply by 1 + weight
  Activation activation = Activation::kSilu;
  double embedding_scale = 1;  // of embedded tokens
  double attention_scale = 0;  // of scores; 0: 1 / sqrt(K)

  std::optional<Lora> lora = std::nullopt;  // adapters beside the weights of a config.json

  LayerKind kind_of(int64_t layer) const {
    return layer_kinds.empty() ? LayerKind{} : layer_kinds[static_cast<size_t>(layer)];
  }
  const Rope& rope_of(const LayerKind& kind) const {
    return kind.sliding && sliding_rope ? *sliding_rope : rope;
  }

  // Throws Error(kInvalidInput) at `where` that names the first number out of range.
  void validate(const std::string& where) const;

  bool operator==(const TransformerConfig&) const = default;
};

// Configurations known by name: stories260k, stories15m, stories42m, stories110m (llama2.c's), and
// demo, about 1 M parameters for our own stories.
std::optional<TransformerConfig> model_preset(std::string_view name);
std::vector<std::string> model_preset_names();

}  // namespace anemone
