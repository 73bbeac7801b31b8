// Attention as stages: of whole sequences, and of new tokens with a cache.
//
// Dim letters: B batch, T sequence, S = B*T columns, D model, H heads, G key/value heads, K head
// size. Activations are [1, D, 1, S]: column b*T + t is token t of sequence b. All stages of one
// kind of layer compute y = x + o_proj(attention(rope(q), rope(k), v)) of norm(x), with the norms
// that the configuration has.
#pragma once

#include "anemone/model/stage_writer.h"

namespace anemone {

// Positions 0 … T-1.
ModelStage attention_stage(const TransformerConfig& config, const LayerKind& kind, int64_t batch,
                           int64_t sequence);

// Some tokens more: x [1, D, 1, N], cos and sin [1, K/2, 1, N] of their positions (cos_sliding and
// sin_sliding where sliding layers have their own), k_cache and v_cache [1, G, capacity, K] of
// which the first `position` [1] tokens are filled → y, and new_k and new_v [1, G*K, 1, N] for the
// next tokens.
ModelStage decode_attention_stage(const TransformerConfig& config, const LayerKind& kind,
                                  int64_t capacity, int64_t columns);

// The stage of training for one sequence, with its keys and values as outputs for the cache: new_k
// and new_v [1, G*K, 1, S].
ModelStage prefill_attention_stage(const TransformerConfig& config, const LayerKind& kind,
                                   int64_t sequence);

// Programs that keep no memory of their own: caches [1, G, capacity, K] go in and come out.

// The attention of the first `sequence` tokens, with the caches they fill: k_cache_out,
// v_cache_out.
ModelStage cache_filling_attention_stage(const TransformerConfig& config, const LayerKind& kind,
                                         int64_t sequence);

// x and what positioned_embed_stage says of the position, k_cache and v_cache
// → y, and k_cache_out and v_cache_out with the token's row in its place.
ModelStage cache_updating_attention_stage(const TransformerConfig& config, const LayerKind& kind,
                                          int64_t capacity);

// "cos" or "cos_sliding": the name of a rotary table, or of another input, for this kind of layer.
std::string name_for(const TransformerConfig& config, const LayerKind& kind, const char* table);

}  // namespace anemone
