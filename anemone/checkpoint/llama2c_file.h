// Model files of llama2.c (karpathy/llama2.c: export.py writes them, run.c and runq.c read them).
// All are little-endian. L layers; names as in export.py, shapes as in model_weights.h.
//
// v0  7 int32: dim, hidden_dim, layers, heads, kv_heads, vocab (negative: separate classifier),
//     max_sequence; then fp32: tok_emb, rms_att[L], wq[L], wk[L], wv[L], wo[L], rms_ffn[L], w1[L],
//     w2[L], w3[L], rms_final, cos then sin tables [max_sequence, head_size / 2], and the
//     classifier where it is separate.
// v1  256 bytes: "ak42" (0x616b3432), int32 version 1, the 7 int32 above with positive vocab, uint8
//     tied; then fp32: rms_att[L], rms_ffn[L], rms_final, tok_emb, wq[L], wk[L], wv[L], wo[L],
//     w1[L], w2[L], w3[L], classifier unless tied.
// v2  256 bytes: as v1 with version 2 and, after the byte, int32 group_size; then fp32 norms as in
//     v1, then for each matrix (each layer's apart): int8 values, then one fp32 scale for each
//     group_size of them. A value stands for int8 * scale.
#pragma once

#include <filesystem>

#include "anemone/checkpoint/model_weights.h"

namespace anemone {

// Reads any of the three as fp32. The file must be exactly as long as its header says.
// Throws Error with the expected and the actual number of bytes where it is not.
ModelWeights read_llama2c(const std::filesystem::path& path);

// Writes v0, in one piece. The ids of BOS and EOS have no place in it: run.c takes 1 and 2.
// Throws Error where v0 has no place for the configuration: a head size other than dim / heads, or
// rope_theta and norm_epsilon other than 10000 and 1e-5.
void write_llama2c(const std::filesystem::path& path, const ModelWeights& weights);

}  // namespace anemone
