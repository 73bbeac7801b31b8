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
  int64_t vocabulary = 0;  // only ids below it; 0: all

  // Throws Error(kInvalidInput) naming the flag.
  void validate() const;
};

class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);

  // Temperature first, then top-k, then top-p, as in transformers. The first of equal logits wins.
  // Takes one random number, unless it is greedy: logits that are nearly the same mostly give the
  // same token for the same number.
  int pick(std::span<const float> logits);
  // Draws from now on what `other` will.
  void follow(const Sampler& other) { random_ = other.random_; }

 private:
  struct Choice {
    int id;
    double weight;  // of the most probable: 1
  };

  void weigh(std::span<const float> logits);
  double sum() const;
  void keep_top(size_t count);
  void keep_nucleus();

  SamplerOptions options_;
  Random random_;
  std::vector<Choice> choices_;  // in the order of ids
};

}  // namespace anemone
