// Text generation with a key/value cache, one token at a time.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "anemone/generate/sampler.h"
#include "anemone/nn/llama.h"
#include "anemone/runtime/forward_program.h"

namespace anemone {

class Generator {
 public:
  // A cache of `capacity` positions, at most the model's own. `values` as for ForwardProgram, its
  // matrices in `stored`, a float type.
  Generator(Device& device, const LlamaConfig& config, int64_t capacity,
            const ParameterLookup& values, DType stored = DType::kFp32);

  // Runs `token` at the next position and returns the logits [V] for the one after; they are valid
  // until the next call. Throws Error when the cache is full.
  std::span<const float> feed(int token);

  int64_t position() const { return position_; }
  void restart() { position_ = 0; }

 private:
  void append_column(const char* fresh, const char* cache, size_t use);

  LlamaConfig config_;
  int64_t capacity_, position_ = 0;
  ForwardProgram program_;
  RopeTables tables_;
  Tensor cosine_, sine_, logits_, column_;
};

struct Generated {
  std::vector<int> ids;  // new ones, without the stop token
  double tokens_per_s = 0;
};

// Feeds the prompt, then samples up to `tokens` ids, stopping at one of `stop_ids`. `on_token` sees
// each as it comes.
Generated generate(Generator& generator, std::span<const int> prompt, int64_t tokens,
                   const SamplerOptions& options, std::span<const int> stop_ids,
                   const std::function<void(int id)>& on_token = {});

}  // namespace anemone
