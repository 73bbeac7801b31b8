#include "anemone/generate/generator.h"

#include <fmt/format.h>
#include <algorithm>
#include <numeric>

#include "anemone/base/clock.h"
#include "anemone/passes/passes.h"

namespace anemone {
namespace {

std::vector<int64_t> first_positions(int64_t count) {
  std::vector<int64_t> positions(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), int64_t{0});
  return positions;
}

StageChain decode_chain(const LlamaConfig& config, int64_t capacity, DType stored) {
  StageChain chain = llama_decode_chain(config, capacity);
  if (stored == DType::kFp32) return chain;
  for (Stage& stage : chain.stages) narrow_weights(stage.function, stage.weights, stored);
  return chain;
}

}  // namespace

Generator::Generator(Device& device, const LlamaConfig& config, int64_t capacity,
                     const ParameterLookup& values, DType stored)
    : config_(config),
      capacity_(capacity),
      program_(device, decode_chain(config, capacity, stored), values,
               {"k_cache", "v_cache", "new_k", "new_v"}),
      tables_(rope_tables(config, first_positions(capacity))),
      cosine_(DType::kFp32, {1, config.head_size / 2, 1, 1}),
      sine_(DType::kFp32, {1, config.head_size / 2, 1, 1}),
      logits_(DType::kFp32, {1, config.vocab_size, 1, 1}),
      column_(DType::kFp32, {1, config.kv_heads * config.head_size, 1, 1}) {
  ANEMONE_CHECK(capacity >= 1 && capacity <= config.max_sequence);
}

std::span<const float> Generator::feed(int token) {
  if (position_ >= capacity_) {
    fail(fmt::format("position {}", position_),
         fmt::format("the sequence is longer than the {} positions of the cache", capacity_));
  }
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
  program_.run();
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    const auto use = static_cast<size_t>(1 + 2 * layer);  // embed, (attention, ffn), …
    append_column("new_k", "k_cache", use);
    append_column("new_v", "v_cache", use);
  }
  ++position_;
  program_.output().read(logits_);
  return logits_.as<float>();
}

void Generator::append_column(const char* fresh, const char* cache, size_t use) {
  program_.side(fresh, use)->read(column_);
  const TensorView memory = program_.side(cache, use)->map();
  ANEMONE_CHECK(memory.data != nullptr);
  const auto values = column_.as<float>();
  for (size_t c = 0; c < values.size(); ++c) {
    memory.as<float>()[c * static_cast<size_t>(capacity_) + static_cast<size_t>(position_)] =
        values[c];
  }
}

Generated generate(Generator& generator, std::span<const int> prompt, int64_t tokens,
                   const SamplerOptions& options, std::span<const int> stop_ids,
                   const std::function<void(int id)>& on_token) {
  ANEMONE_CHECK(!prompt.empty());
  Sampler sampler(options);
  std::span<const float> logits;
  for (int id : prompt) logits = generator.feed(id);
  Generated result;
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
