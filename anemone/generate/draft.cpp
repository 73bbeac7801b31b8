#include "anemone/generate/draft.h"

#include <algorithm>

#include "anemone/base/error.h"

namespace anemone {

Draft::Draft(Generator& generator, int64_t tokens, const SamplerOptions& options)
    : generator_(generator), tokens_(tokens), sampler_(options) {
  ANEMONE_CHECK(tokens >= 1 && tokens < static_cast<int64_t>(Generator::kMostTogether));
}

std::span<const int> Draft::propose(std::span<const int> text, const Sampler& sampler) {
  sampler_.follow(sampler);
  proposed_.clear();
  const auto length = static_cast<int64_t>(text.size());
  const int64_t count = std::min(tokens_, generator_.capacity() - length);
  if (count <= 0) return proposed_;
  proposed_.push_back(
      sampler_.pick(generator_.feed(text.subspan(static_cast<size_t>(generator_.position())))));
  while (static_cast<int64_t>(proposed_.size()) < count) {
    proposed_.push_back(sampler_.pick(generator_.feed(proposed_.back())));
  }
  return proposed_;
}

void Draft::keep(int64_t position) {
  generator_.go_back(std::min(position, generator_.position()));
}

}  // namespace anemone
