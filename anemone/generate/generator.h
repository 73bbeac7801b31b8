// Text generation with a key/value cache: a prompt at once, then one token at a time.
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
  // The same for several tokens, of which there is at least one. The first tokens of a text,
  // where they are not few, run together, for which a program of their length is compiled; later
  // ones one after the other. `values` of the constructor is asked again.
  std::span<const float> feed(std::span<const int> tokens);

  int64_t position() const { return position_; }
  void restart() { position_ = 0; }

 private:
  void require_room(int64_t tokens) const;
  void prefill(std::span<const int> tokens);
  void run(ForwardProgram& program, int64_t columns);
  void append(ForwardProgram& from, size_t use, const char* fresh, const char* cache,
              int64_t columns);

  Device& device_;
  ParameterLookup values_;
  DType stored_;
  LlamaConfig config_;
  int64_t capacity_, position_ = 0;
  ForwardProgram program_;
  RopeTables tables_;
  Tensor cosine_, sine_, logits_;
};

struct Generated {
  std::vector<int> ids;     // new ones, without the stop token
  double prompt_ms = 0;     // until the first of them could be picked
  double tokens_per_s = 0;  // of the others
};

// Feeds the prompt, then samples up to `tokens` ids, stopping at one of `stop_ids`. `on_token` sees
// each as it comes.
Generated generate(Generator& generator, std::span<const int> prompt, int64_t tokens,
                   const SamplerOptions& options, std::span<const int> stop_ids,
                   const std::function<void(int id)>& on_token = {});

}  // namespace anemone
