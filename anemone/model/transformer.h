// Decoder-only transformers as chains of stages of MIL: embed, (attention, ffn) for every layer,
// head. One description (transformer_config.h) for all families.
//
// Dim letters: B batch, T sequence, S = B*T columns, D model, H heads, G key/value heads, K head
// size, F feed-forward, V vocabulary. Activations are [1, D, 1, S]: column b*T + t is token t of
// sequence b. Weights are inputs, [O, C, 1, 1] for linear layers, named after Hugging Face's
// modules.
#pragma once

#include "anemone/model/attention.h"

namespace anemone {

// tokens int32 [S], embed_tokens [V, D] → y [1, D, 1, S]
ModelStage embed_stage(const TransformerConfig& config, int64_t columns);

// x → y = x + down_proj(activation(gate_proj(n)) * up_proj(n)) with n = norm(x).
ModelStage ffn_stage(const TransformerConfig& config, int64_t columns);

// x → logits [1, V, 1, S], or [1, V, 1, 1] of the last column.
ModelStage logits_stage(const TransformerConfig& config, int64_t columns, bool only_last = false);

// x, targets int32 [S] → loss [1] (mean over S), log_sum_exp [S]. With `in_parts` classifier,
// softmax and loss can run on different devices, and the second output is probabilities
// [1, V, 1, S].
ModelStage loss_stage(const TransformerConfig& config, int64_t columns, bool in_parts = false);

// One token and its position, int32 [1] both → y [1, D, 1, 1], cos and sin [1, K/2, 1, 1] (and
// cos_sliding and sin_sliding), and by rows of a cache: here [1, 1, capacity, 1], 1 at the position
// and 0 elsewhere; elsewhere, its complement; hidden [1, 1, 1, capacity], -10000 behind the
// position and 0 up to it, hidden_sliding likewise before the window too. All that is integer is
// here: what follows is floats only.
ModelStage positioned_embed_stage(const TransformerConfig& config, int64_t capacity);

enum class OutputHead { kLogits, kLastLogits, kLoss, kLossInParts };
// Training or evaluation of whole sequences.
StageChain training_chain(const TransformerConfig& config, int64_t batch, int64_t sequence,
                          OutputHead head);
// Generation, `columns` tokens at a time, with a cache of `capacity` tokens a layer.
StageChain decode_chain(const TransformerConfig& config, int64_t capacity, int64_t columns = 1);
// The first `sequence` tokens of a text at once: what a cache needs, and the logits of the last.
StageChain prefill_chain(const TransformerConfig& config, int64_t sequence);
// The two of a model whose caches are ports: `capacity` tokens at once, with the logits after each,
// and one token at a position below `capacity`.
StageChain cache_filling_chain(const TransformerConfig& config, int64_t capacity);
StageChain cache_updating_chain(const TransformerConfig& config, int64_t capacity);

}  // namespace anemone
