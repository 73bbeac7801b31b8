#include "anemone/generate/generator.h"

#include <fmt/format.h>
#include <algorithm>
#include <numeric>

#include "anemone/base/clock.h"
#include "anemone/passes/passes.h"

namespace anemone {
namespace {

// Of every layer.
const std::vector<std::string> kOwnSide = {"k_cache", "v_cache", "new_k", "new_v"};

// Tokens that repay compiling a program for as many.
constexpr size_t kLeastTogether = 8;

std::vector<int64_t> first_positions(int64_t count) {
  std::vector<int64_t> positions(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), int64_t{0});
  return positions;
}

StageChain stored_in(DType stored, StageChain chain) {
  if (stored == DType::kFp32) return chain;
  for (Stage& stage : chain.stages) narrow_weights(stage.function, stage.weights, stored);
  return chain;
}

}  // namespace

Generator::Generator(Device& device, const LlamaConfig& config, int64_t capacity,
                     const ParameterLookup& values, DType stored)
    : device_(device),
      values_(values),
      stored_(stored),
      config_(config),
      capacity_(capacity),
      program_(device, stored_in(stored, llama_decode_chain(config, capacity)), values, kOwnSide),
      tables_(rope_tables(config, first_positions(capacity))),
      cosine_(DType::kFp32, {1, config.head_size / 2, 1, 1}),
      sine_(DType::kFp32, {1, config.head_size / 2, 1, 1}),
      logits_(DType::kFp32, {1, config.vocab_size, 1, 1}) {
  ANEMONE_CHECK(capacity >= 1 && capacity <= config.max_sequence);
}

std::span<const float> Generator::feed(int token) {
  require_room(1);
  for (int64_t i = 0; i < config_.head_size / 2; ++i) {
    const auto at = static_cast<size_t>(i * capacity_ + position_);
    cosine_.as<float>()[static_cast<size_t>(i)] = tables_.cosine.as<float>()[at];
    sine_.as<float>()[static_cast<size_t>(i)] = tables_.sine.as<float>()[at];
  }
  auto position = static_cast<int32_t>(position_), id = static_cast<int32_t>(token);
  program_.side("tokens")->write({DType::kInt32, {1}, &id});
  program_.side("position")->write({DType::kInt32, {1}, &position});
  program_.side("cos")->write(cosine_);
  program_.side("sin")->write(sine_);
  run(program_, 1);
  return logits_.as<float>();
}

std::span<const float> Generator::feed(std::span<const int> tokens) {
  ANEMONE_CHECK(!tokens.empty());
  require_room(static_cast<int64_t>(tokens.size()));
  if (position_ == 0 && tokens.size() >= kLeastTogether) {
    prefill(tokens);
  } else {
    for (int token : tokens) feed(token);
  }
  return logits_.as<float>();
}

void Generator::require_room(int64_t tokens) const {
  if (position_ + tokens <= capacity_) return;
  fail(fmt::format("position {}", capacity_),
       fmt::format("the sequence is longer than the {} positions of the cache", capacity_));
}

void Generator::prefill(std::span<const int> tokens) {
  const auto length = static_cast<int64_t>(tokens.size());
  ForwardProgram program(device_, stored_in(stored_, llama_prefill_chain(config_, length)), values_,
                         kOwnSide);
  program.side("tokens")->write(
      Tensor::of<int32_t>({length}, std::vector<int32_t>(tokens.begin(), tokens.end())));
  run(program, length);
}

// Of `columns` new tokens. A layer's cache grows as soon as it has run, while what attention read
// of the cache is still near.
void Generator::run(ForwardProgram& program, int64_t columns) {
  program.run([&](size_t use) {
    append(program, use, "new_k", "k_cache", columns);
    append(program, use, "new_v", "v_cache", columns);
  });
  position_ += columns;
  program.output().read(logits_);
}

// [G*K, columns] go behind what is in the cache, if the use of a stage has any.
void Generator::append(ForwardProgram& from, size_t use, const char* fresh, const char* cache,
                       int64_t columns) {
  Buffer* buffer = from.side(fresh, use);
  if (!buffer) return;
  const TensorView source = buffer->map(), target = program_.side(cache, use)->map();
  ANEMONE_CHECK(source.data && target.data);
  const float* from_row = source.as<float>().data();
  float* to_row = target.as<float>().data() + position_;
  const int64_t rows = config_.kv_heads * config_.head_size;
  for (int64_t row = 0; row < rows; ++row) {
    // The rows lie far apart in the cache: their lines are asked for together.
    constexpr int64_t kAhead = 32;
    if (row + kAhead < rows) __builtin_prefetch(to_row + (row + kAhead) * capacity_, 1);
    std::copy_n(from_row + row * columns, columns, to_row + row * capacity_);
  }
}

Generated generate(Generator& generator, std::span<const int> prompt, int64_t tokens,
                   const SamplerOptions& options, std::span<const int> stop_ids,
                   const std::function<void(int id)>& on_token) {
  ANEMONE_CHECK(!prompt.empty());
  Sampler sampler(options);
  Generated result;
  const Stopwatch prompt_watch;
  std::span<const float> logits = generator.feed(prompt);
  result.prompt_ms = prompt_watch.elapsed_ms();
  const Stopwatch watch;
  int64_t fed = 0;
  while (static_cast<int64_t>(result.ids.size()) < tokens) {
    const int id = sampler.pick(logits);
    if (std::find(stop_ids.begin(), stop_ids.end(), id) != stop_ids.end()) break;
    result.ids.push_back(id);
    if (on_token) on_token(id);
    if (static_cast<int64_t>(result.ids.size()) == tokens) break;
    logits = generator.feed(id);
    ++fed;
  }
  // Every fed token cost one pass; the first came from the prompt's last pass.
  if (fed > 0) result.tokens_per_s = static_cast<double>(fed) / (watch.elapsed_ms() / 1000);
  return result;
}

}  // namespace anemone
