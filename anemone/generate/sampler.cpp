#include "anemone/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "anemone/base/error.h"

namespace anemone {

void SamplerOptions::validate() const {
  if (!(temperature >= 0) || std::isinf(temperature)) {
    fail("--temperature", "it must be 0 or more");
  }
  if (top_k < 0) fail("--top-k", "it must be 0 (all) or more");
  if (!(top_p > 0 && top_p <= 1)) fail("--top-p", "it must be above 0 and at most 1");
}

Sampler::Sampler(const SamplerOptions& options) : options_(options), random_(options.seed) {
  options.validate();
}

int Sampler::pick(std::span<const float> logits) {
  if (options_.temperature == 0 || options_.top_k == 1) {
    return static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  order_.resize(logits.size());
  std::iota(order_.begin(), order_.end(), 0);
  const auto better = [&](int a, int b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  size_t kept = logits.size();
  if (options_.top_k > 0) kept = std::min(kept, static_cast<size_t>(options_.top_k));
  std::partial_sort(order_.begin(), order_.begin() + static_cast<ptrdiff_t>(kept), order_.end(),
                    better);
  probabilities_.resize(kept);
  const double best = logits[static_cast<size_t>(order_[0])];
  double sum = 0;
  for (size_t i = 0; i < kept; ++i) {
    const double gap = logits[static_cast<size_t>(order_[i])] - best;
    sum += probabilities_[i] = std::exp(gap / options_.temperature);
  }
  if (options_.top_p < 1) {
    double reached = 0;
    size_t count = 0;
    while (count < kept && reached < options_.top_p * sum) reached += probabilities_[count++];
    kept = count;
    sum = reached;
  }
  double target = random_.uniform() * sum;
  for (size_t i = 0; i + 1 < kept; ++i) {
    target -= probabilities_[i];
    if (target < 0) return order_[i];
  }
  return order_[kept - 1];
}

}  // namespace anemone
