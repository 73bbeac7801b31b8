// Picks the next token from logits.
#pragma once

#include <span>
#include <vector>

#include "anemone/base/random.h"

namespace anemone {

struct SamplerOptions {
  double temperature = 1.0;  // 0: always the most probable token
  int top_k = 0;             // only the k most probable; 0: all
  double top_p = 1.0;        // only the smallest set whose probabilities reach p; 1: all
  uint64_t seed = 42;

  // Throws Error(kInvalidInput) naming the flag.
  void validate() const;
};

class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);

  // Temperature first, then top-k, then top-p, as in transformers. The first of equal logits wins.
  int pick(std::span<const float> logits);

 private:
  SamplerOptions options_;
  Random random_;
  std::vector<int> order_;
  std::vector<double> probabilities_;
};

}  // namespace anemone
