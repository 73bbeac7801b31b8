// What a model is made of: the tensors that its stages declare where they use them.
#pragma once

#include <string>
#include <vector>

#include "anemone/model/transformer_config.h"
#include "anemone/tensor/tensor.h"

namespace anemone {

struct ParameterSpec {
  std::string name;  // as in Hugging Face's files: "model.layers.3.mlp.up_proj.weight"
  Shape shape;       // likewise: [out, in] of a linear layer
  // Initial values: normally distributed around `mean`.
  double mean = 0, deviation = 0;
  // Its rows are channels of heads that rotary positions turn.
  bool rotary = false;
  // One of an adapter (lora.h): "….q_proj.lora_A.weight" [rank, in] or "….lora_B.weight" [out,
  // rank].
  bool adapter = false;
};

// Every tensor of a model once, in the order in which the stages use them: the embedding table, the
// layers, the final norm, and lm_head unless the classifier is tied. A tensor's name ends in
// ".weight" or ".bias". The configuration must be valid.
std::vector<ParameterSpec> parameters(const TransformerConfig& config);

// Numbers to train; a tied classifier counts once.
int64_t parameter_count(const TransformerConfig& config);

// "model.layers.3." of layer 3.
std::string layer_prefix(int64_t layer);

}  // namespace anemone
