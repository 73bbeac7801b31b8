// A trained model as a Core ML program: tokens to logits, with the key/value caches as ports or as
// states.
#pragma once

#include "anemone/checkpoint/model_weights.h"
#include "anemone/package/model_info.h"

namespace anemone {

struct TransformerPackageOptions {
  int64_t sequence = 256;       // tokens of a prompt, and positions of the caches
  DType dtype = DType::kFp16;   // of weights and computation: fp16 or fp32
  bool decode = true;           // a second function, for one token at a time
  bool states = false;          // caches are Core ML's states, which the Neural Engine refuses
  std::string model_name = "";  // for the description
};

// What write_mlpackage() takes.
struct ModelPackage {
  Program program;
  ModelInfo info;
};

// N sequence, V vocabulary, G key/value heads, K head size; G*K rows of every layer are one cache.
//   prefill  tokens int32 [N]           → logits [1, V, 1, N], k_cache_L_out, v_cache_L_out
//   decode   tokens, position int32 [1],
//            k_cache_L, v_cache_L [1, G, N, K] → logits [1, V, 1, 1], k_cache_L_out, v_cache_L_out
// Column i of the logits is what follows token i: a prompt of fewer tokens is filled up with any.
// What NAME_out holds goes into NAME of the next call. With states, NAME is one and nothing else of
// it is seen. Without `decode` the only function is `main`, prefill without caches.
// Both functions hold the same weights, in the same memory. Rows that rotary positions turn are in
// halves, whichever file the weights came from.
// Throws Error(kInvalidInput) for a sequence that the model has no positions for, states without
// `decode` or in fp32, and weights beyond fp16.
ModelPackage transformer_package(ModelWeights weights, const TransformerPackageOptions& options);

}  // namespace anemone
