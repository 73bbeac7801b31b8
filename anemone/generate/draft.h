// Speculative decoding (Leviathan et al. 2023): a faster model, such as the same one in int8,
// proposes the next tokens, and the one whose text it is looks at all of them in one pass.
#pragma once

#include <span>
#include <vector>

#include "anemone/generate/generator.h"

namespace anemone {

class Draft {
 public:
  // Proposes `tokens` at a time, at most Generator::kMostTogether - 1, picked by `options`; none
  // beyond the capacity of `generator`.
  Draft(Generator& generator, int64_t tokens, const SamplerOptions& options);

  // What it takes for the continuation of `text`, of which it has seen a part: as many tokens as
  // it proposes, or as fit its cache, picked with the random numbers that `sampler` will use. They
  // are valid until the next call.
  std::span<const int> propose(std::span<const int> text, const Sampler& sampler);
  // Of what it has seen only the first `position` tokens are in the text.
  void keep(int64_t position);

 private:
  Generator& generator_;
  int64_t tokens_;
  Sampler sampler_;
  std::vector<int> proposed_;
};

}  // namespace anemone
