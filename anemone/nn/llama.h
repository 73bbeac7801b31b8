// The Llama family as stages of MIL: embed, (attention, ffn) for every layer, head.
//
// Dim letters: B batch, T sequence, S = B*T columns, D model, H heads, G key/value heads, K head
// size, F feed-forward, V vocabulary. Activations are [1, D, 1, S]: column b*T + t is token t of
// sequence b. Weights are inputs, [O, C, 1, 1] for linear layers, named after Hugging Face's
// modules.
#pragma once

#include "anemone/ir/stage.h"
#include "anemone/weights/llama_config.h"

namespace anemone {

// tokens int32 [S], embed_tokens [V, D] → y [1, D, 1, S]
Stage embed_stage(const LlamaConfig& config, int64_t columns);

// x → y = x + o_proj(attention(rope(q), rope(k), v)) of rms_norm(x), positions 0 … T-1.
Stage attention_stage(const LlamaConfig& config, int64_t batch, int64_t sequence);

// x → y = x + down_proj(silu(gate_proj(n)) * up_proj(n)) with n = rms_norm(x).
Stage ffn_stage(const LlamaConfig& config, int64_t columns);

// x → logits [1, V, 1, S], or [1, V, 1, 1] of the last column.
Stage logits_stage(const LlamaConfig& config, int64_t columns, bool only_last = false);

// x, targets int32 [S] → loss [1] (mean over S), log_sum_exp [S]. With `in_parts` classifier,
// softmax and loss can run on different devices, and the second output is probabilities
// [1, V, 1, S].
Stage loss_stage(const LlamaConfig& config, int64_t columns, bool in_parts = false);

// Some tokens more: x [1, D, 1, N], cos and sin [1, K/2, 1, N] of their positions, k_cache and
// v_cache [1, G, capacity, K] of which the first `position` [1] tokens are filled
// → y, and new_k and new_v [1, G*K, 1, N] for the next tokens.
Stage decode_attention_stage(const LlamaConfig& config, int64_t capacity, int64_t columns = 1);

// The stage of training for one sequence, with its keys and values as outputs for the cache: new_k
// and new_v [1, G*K, 1, S].
Stage prefill_attention_stage(const LlamaConfig& config, int64_t sequence);

// Programs that keep no memory of their own: caches [1, G, capacity, K] go in and come out.

// The attention of the first `sequence` tokens, with the caches they fill: k_cache_out,
// v_cache_out.
Stage cache_filling_attention_stage(const LlamaConfig& config, int64_t sequence);

// One token and its position, int32 [1] both → y [1, D, 1, 1], cos and sin [1, K/2, 1, 1], and by
// rows of a cache: here [1, 1, capacity, 1], 1 at the position and 0 elsewhere; elsewhere, its
// complement; hidden [1, 1, 1, capacity], -10000 behind the position and 0 up to it.
// All that is integer is here: what follows is floats only.
Stage positioned_embed_stage(const LlamaConfig& config, int64_t capacity);

// x and what positioned_embed_stage says of the position, k_cache and v_cache
// → y, and k_cache_out and v_cache_out with the token's row in its place.
Stage cache_updating_attention_stage(const LlamaConfig& config, int64_t capacity);

enum class Head { kLogits, kLastLogits, kLoss, kLossInParts };
// Training or evaluation of whole sequences.
StageChain llama_chain(const LlamaConfig& config, int64_t batch, int64_t sequence, Head head);
// Generation, `columns` tokens at a time, with a cache of `capacity` tokens a layer.
StageChain llama_decode_chain(const LlamaConfig& config, int64_t capacity, int64_t columns = 1);
// The first `sequence` tokens of a text at once: what a cache needs, and the logits of the last.
StageChain llama_prefill_chain(const LlamaConfig& config, int64_t sequence);
// The two of a model whose caches are ports: `capacity` tokens at once, with the logits after each,
// and one token at a position below `capacity`.
StageChain llama_cache_filling_chain(const LlamaConfig& config, int64_t capacity);
StageChain llama_cache_updating_chain(const LlamaConfig& config, int64_t capacity);

// cos(t theta^(-2i/K)) and sin of the same for pairs i and positions t (Su et al. 2021), computed
// in double: [1, K/2, 1, positions.size()] fp32.
struct RopeTables {
  Tensor cosine, sine;
};
RopeTables rope_tables(const LlamaConfig& config, const std::vector<int64_t>& positions);

}  // namespace anemone
