// Shapes of the composite operations (`anemone.` names), shared by their rules and by devices that
// have fast kernels for them. Activations are [1, C, 1, S] with S = batch × sequence.
#pragma once

#include "anemone/ops/op_args.h"

namespace anemone {

// out [rows, columns] = op(x) · op(y), `inner` being summed over.
struct MatrixProduct {
  int64_t rows = 0, columns = 0, inner = 0;
  bool transpose_x = false, transpose_y = false;
};

// q [1, H*K, 1, B*T], k and v [1, KV*K, 1, B*T]. Query head h reads key head h / (H / KV).
struct AttentionShape {
  int64_t batch = 0, sequence = 0;  // B, T
  int64_t heads = 0, kv_heads = 0;  // H, KV
  int64_t head_size = 0;            // K
  int64_t fresh = 0;                // new tokens of anemone.decode_attention
  // Tokens that a query sees, itself the last of them; 0: all up to itself.
  int64_t window = 0;
  double scale = 0;  // of scores; 1 / sqrt(K) unless the operation says it

  int64_t group() const { return heads / kv_heads; }
  int64_t width() const { return batch * sequence; }
  // The first key that the query at `position` sees.
  int64_t first_key(int64_t position) const {
    return window > 0 && position >= window ? position - window + 1 : 0;
  }
};

// Of an operation with q, k, v and head_size: heads, window and scale, and nothing else.
AttentionShape attention_heads(const OpArgs& args);
// Of anemone.causal_attention and its backward operation; refuses shapes that do not fit.
AttentionShape attention_shape(const OpArgs& args);

// Of anemone.decode_attention: `fresh` new tokens against a cache of `sequence` tokens.
AttentionShape decode_attention_shape(const OpArgs& args);

}  // namespace anemone
