// Rotary positions (Su et al. 2021): their settings, and the angles that follow from them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anemone/tensor/tensor.h"

namespace anemone {

// How frequencies are changed for positions behind those that a model was first trained on.
enum class RopeScaling { kNone, kLinear, kDynamic, kYarn, kLlama3 };

struct Rope {
  double theta = 10000;  // pair i of a head of K turns by theta^(-2i/K) a position
  // Pairs are rows 2i and 2i + 1 of a head (llama2.c), else i and i + K/2 (Hugging Face).
  bool interleaved = false;

  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;               // of positions, in every scaling
  int64_t original_positions = 0;  // that the model was first trained on (yarn, llama3)
  // llama3: between these many turns within the original positions, frequencies go over from
  // divided by `factor` to unchanged.
  double low_frequency_factor = 1, high_frequency_factor = 4;
  // yarn: the same in numbers of turns, by pairs; `truncate` rounds the borders to whole pairs.
  double beta_fast = 32, beta_slow = 1;
  bool truncate = true;
  double attention_factor = 1;  // yarn: cosines and sines are multiplied by it

  // Throws Error(kInvalidInput) at `where` for numbers that make no sense.
  void validate(const std::string& where) const;
  bool operator==(const Rope&) const = default;
};

// Radians per position of the `head_size` / 2 pairs. Formulas: kLinear Chen et al. 2023; kYarn Peng
// et al. 2023; kLlama3 as in transformers 5. kDynamic changes nothing: it begins behind the
// positions of the model, where sequences end here.
std::vector<double> rope_frequencies(const Rope& rope, int64_t head_size);

// Cosines and sines for pairs i and positions t, computed in double:
// [1, K/2, 1, positions.size()] fp32.
struct RopeTables {
  Tensor cosine, sine;
};
RopeTables rope_tables(const Rope& rope, int64_t head_size, const std::vector<int64_t>& positions);

}  // namespace anemone
