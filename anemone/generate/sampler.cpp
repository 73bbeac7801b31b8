#include "anemone/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "anemone/base/error.h"

namespace anemone {
namespace {

constexpr auto kInOrder = [](const auto& a, const auto& b) { return a.id < b.id; };
// The first of equal ones.
constexpr auto kMoreProbable = [](const auto& a, const auto& b) {
  return a.weight != b.weight ? a.weight > b.weight : kInOrder(a, b);
};

}  // namespace

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
  const auto vocabulary = static_cast<size_t>(options_.vocabulary);
  if (vocabulary > 0 && vocabulary < logits.size()) logits = logits.first(vocabulary);
  if (options_.temperature == 0 || options_.top_k == 1) {
    return static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  weigh(logits);
  if (options_.top_k > 0) keep_top(static_cast<size_t>(options_.top_k));
  if (options_.top_p < 1) keep_nucleus();
  double target = random_.uniform() * sum();
  for (const Choice& choice : choices_) {
    target -= choice.weight;
    if (target < 0) return choice.id;
  }
  return choices_.back().id;
}

void Sampler::weigh(std::span<const float> logits) {
  const double best = *std::max_element(logits.begin(), logits.end());
  choices_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    const double gap = static_cast<double>(logits[i]) - best;
    choices_[i] = {static_cast<int>(i), std::exp(gap / options_.temperature)};
  }
}

double Sampler::sum() const {
  return std::accumulate(choices_.begin(), choices_.end(), 0.0,
                         [](double sum, const Choice& choice) { return sum + choice.weight; });
}

void Sampler::keep_top(size_t count) {
  if (count >= choices_.size()) return;
  const auto end = choices_.begin() + static_cast<ptrdiff_t>(count);
  std::nth_element(choices_.begin(), end, choices_.end(), kMoreProbable);
  choices_.erase(end, choices_.end());
  std::sort(choices_.begin(), choices_.end(), kInOrder);
}

// Without sorting what cannot be in it: all of less than an equal share of the rest together are
// less than the rest.
void Sampler::keep_nucleus() {
  const double all = sum();
  const double share = (1 - options_.top_p) * all / static_cast<double>(choices_.size());
  const double least = std::min(share, 1.0);  // the most probable stays
  std::erase_if(choices_, [&](const Choice& choice) { return choice.weight < least; });
  std::sort(choices_.begin(), choices_.end(), kMoreProbable);
  double reached = 0;
  size_t count = 0;
  do {
    reached += choices_[count++].weight;
  } while (count < choices_.size() && reached < options_.top_p * all);
  choices_.resize(count);
  std::sort(choices_.begin(), choices_.end(), kInOrder);
}

}  // namespace anemone
