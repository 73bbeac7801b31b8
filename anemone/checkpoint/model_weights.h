// The weights of one model in memory, whichever file they came from.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "anemone/model/parameter_spec.h"
#include "anemone/tensor/tensor.h"

namespace anemone {

// Tensors under Hugging Face's names: those of parameters(config), in fp32, or in fewer bits where
// that was asked for. Rows that rotary positions turn are in the order that config.rope.interleaved
// says.
struct ModelWeights {
  TransformerConfig config;
  std::map<std::string, Tensor> tensors;
  DType stored = DType::kFp32;  // in the file; fp32 where it has several types
  // What a user should know of how the files were read, a sentence each.
  std::vector<std::string> notes = {};
};

// The same, borrowed: what writing a model needs, without a copy of it.
struct ModelView {
  TransformerConfig config;
  std::map<std::string, TensorView> tensors;

  ModelView() = default;
  ModelView(const ModelWeights& weights)  // NOLINT: borrowing is implicit
      : config(weights.config), tensors(weights.tensors.begin(), weights.tensors.end()) {}
};

// Throws Error at `where` unless the tensors are exactly the expected ones, floats, and finite.
void check(const ModelView& weights, const std::string& where);

// Hugging Face rotates rows i and i + K/2 of a head together, llama2.c rows 2i and 2i + 1.
// `tensor` is [heads * head_size, columns] or [heads * head_size] fp32 and is reordered in place.
enum class RotaryRows { kHalfSplitToInterleaved, kInterleavedToHalfSplit };
void permute_rotary_rows(const TensorView& tensor, int64_t head_size, RotaryRows direction);

// Reorders all rotary rows, and says so in the configuration, where it is not so yet.
void set_interleaved(ModelWeights& weights, bool interleaved);

}  // namespace anemone
