// Text generation with a key/value cache: a prompt at once, then a token or a few at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>

#include "anemone/generate/sampler.h"
#include "anemone/model/transformer.h"
#include "anemone/runtime/forward_program.h"

namespace anemone {

class Draft;

class Generator {
 public:
  // A cache of `capacity` positions, at most the model's own. `values` as for ForwardProgram, its
  // matrices in `stored`: a float type, or int8 with scales (passes.h, narrow_weights).
  Generator(Device& device, const TransformerConfig& config, int64_t capacity,
            const ParameterLookup& values, DType stored = DType::kFp32);

  // Runs `token` at the next position and returns the logits [V] for the one after; they are valid
  // until the next call. Throws Error when the cache is full.
  std::span<const float> feed(int token);
  // The same for several tokens, of which there is at least one: a few together, or where the
  // first tokens of a text are not few all of them, for which a program of their length is
  // compiled. `values` of the constructor is asked again.
  std::span<const float> feed(std::span<const int> tokens);
  // The same for at most kMostTogether tokens, with the logits [tokens, V] after each of them.
  // Weights are read once for all. For each new number of tokens a program is compiled.
  std::span<const float> feed_each(std::span<const int> tokens);
  static constexpr size_t kMostTogether = 8;

  int64_t position() const { return position_; }
  int64_t capacity() const { return capacity_; }
  int64_t vocabulary() const { return config_.vocab_size; }
  // Forgets what was fed from `position` on.
  void go_back(int64_t position);

 private:
  // A program for so many tokens a run, and what goes in and out.
  struct Step {
    std::unique_ptr<ForwardProgram> program;
    Tensor cosine, sine, logits;  // logits [1, V, 1, tokens]
  };
  // Cosines and sines of all positions, and the inputs that take their columns.
  struct Rotation {
    RopeTables tables;
    std::string cosine, sine;
  };

  static std::vector<Rotation> rotations_of(const TransformerConfig& config, int64_t capacity);
  void require_room(int64_t tokens) const;
  Step& step_for(int64_t tokens);
  void set_position(Step& step, int64_t tokens);
  void set_rotation(Step& step, const Rotation& rotation, int64_t tokens);
  void prefill(std::span<const int> tokens);
  void run(ForwardProgram& program, int64_t columns);
  void append(ForwardProgram& from, size_t use, const char* fresh, const char* cache,
              int64_t columns);

  Device& device_;
  ParameterLookup values_;
  DType stored_;
  TransformerConfig config_;
  int64_t capacity_, position_ = 0;
  std::map<int64_t, Step> steps_;    // the caches are those of the first, of one token
  std::vector<Rotation> rotations_;  // one, or another for sliding layers
  Tensor rows_;                      // logits [tokens, V]
};

struct Generated {
  std::vector<int> ids;               // new ones, without the stop token
  double prompt_ms = 0;               // until the first of them could be picked
  double tokens_per_s = 0;            // of the others
  int64_t drafted = 0, accepted = 0;  // tokens that a draft proposed, and that were right
};

// Feeds the prompt, then samples up to `tokens` ids, stopping at one of `stop_ids`. `on_token` sees
// each as it comes. With a draft several are picked from one pass: the ids are the same, but where
// rounding decides between two.
Generated generate(Generator& generator, std::span<const int> prompt, int64_t tokens,
                   const SamplerOptions& options, std::span<const int> stop_ids,
                   const std::function<void(int id)>& on_token = {}, Draft* draft = nullptr);

}  // namespace anemone
