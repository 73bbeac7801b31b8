#include "anemone/generate/generator.h"

#include <fmt/format.h>
#include <algorithm>
#include <numeric>

#include "anemone/base/clock.h"
#include "anemone/generate/draft.h"
#include "anemone/passes/passes.h"

namespace anemone {
namespace {

// Of every layer.
const std::vector<std::string> kOwnSide = {"k_cache", "v_cache", "new_k", "new_v"};

// Tokens that repay compiling a program that sees nothing but them.
constexpr size_t kLeastAtOnce = 8;

std::vector<int64_t> first_positions(int64_t count) {
  std::vector<int64_t> positions(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), int64_t{0});
  return positions;
}

StageChain stored_in(DType stored, StageChain chain) {
  if (stored != DType::kFp32) narrow_weights(chain, stored);
  return chain;
}

// rows [columns, V] of logits [V, columns]
void transpose(std::span<const float> logits, size_t columns, std::span<float> rows) {
  const size_t vocabulary = logits.size() / columns;
  for (size_t t = 0; t < columns; ++t) {
    for (size_t v = 0; v < vocabulary; ++v) rows[t * vocabulary + v] = logits[v * columns + t];
  }
}

}  // namespace

Generator::Generator(Device& device, const TransformerConfig& config, int64_t capacity,
                     const ParameterLookup& values, DType stored)
    : device_(device),
      values_(values),
      stored_(stored),
      config_(config),
      capacity_(capacity),
      rotations_(rotations_of(config, capacity)),
      rows_(DType::kFp32, {static_cast<int64_t>(kMostTogether), config.vocab_size}) {
  ANEMONE_CHECK(capacity >= 1 && capacity <= config.max_sequence);
  step_for(1);
}

std::vector<Generator::Rotation> Generator::rotations_of(const TransformerConfig& config,
                                                         int64_t capacity) {
  const std::vector<int64_t> positions = first_positions(capacity);
  std::vector<Rotation> rotations;
  for (const bool sliding : {false, true}) {
    const LayerKind kind{.sliding = sliding};
    const std::string cosine = name_for(config, kind, "cos");
    if (!rotations.empty() && rotations[0].cosine == cosine) break;
    rotations.push_back({rope_tables(config.rope_of(kind), config.head_size, positions), cosine,
                         name_for(config, kind, "sin")});
  }
  return rotations;
}

Generator::Step& Generator::step_for(int64_t tokens) {
  Step& step = steps_[tokens];
  if (step.program) return step;
  ForwardProgram* lender = tokens == 1 ? nullptr : steps_.at(1).program.get();
  const Shape turn = {1, config_.head_size / 2, 1, tokens};
  step.cosine = Tensor(DType::kFp32, turn);
  step.sine = Tensor(DType::kFp32, turn);
  step.logits = Tensor(DType::kFp32, {1, config_.vocab_size, 1, tokens});
  step.program = std::make_unique<ForwardProgram>(
      device_, stored_in(stored_, decode_chain(config_, capacity_, tokens)), values_, kOwnSide,
      nullptr, lender);
  return step;
}

void Generator::set_position(Step& step, int64_t tokens) {
  auto position = static_cast<int32_t>(position_);
  step.program->side("position")->write({DType::kInt32, {1}, &position});
  for (const Rotation& rotation : rotations_) set_rotation(step, rotation, tokens);
}

void Generator::set_rotation(Step& step, const Rotation& rotation, int64_t tokens) {
  Buffer *cosine = step.program->side(rotation.cosine), *sine = step.program->side(rotation.sine);
  if (!cosine) return;  // no layer has it
  for (int64_t i = 0; i < config_.head_size / 2; ++i) {
    for (int64_t t = 0; t < tokens; ++t) {
      const auto to = static_cast<size_t>(i * tokens + t);
      const auto from = static_cast<size_t>(i * capacity_ + position_ + t);
      step.cosine.as<float>()[to] = rotation.tables.cosine.as<float>()[from];
      step.sine.as<float>()[to] = rotation.tables.sine.as<float>()[from];
    }
  }
  cosine->write(step.cosine);
  sine->write(step.sine);
}

std::span<const float> Generator::feed(int token) { return feed_each({&token, 1}); }

std::span<const float> Generator::feed(std::span<const int> tokens) {
  ANEMONE_CHECK(!tokens.empty());
  require_room(static_cast<int64_t>(tokens.size()));
  const auto vocabulary = static_cast<size_t>(config_.vocab_size);
  if (position_ == 0 && tokens.size() >= kLeastAtOnce) {
    prefill(tokens);
    return rows_.as<float>().first(vocabulary);
  }
  std::span<const float> logits;
  for (; !tokens.empty(); tokens = tokens.subspan(std::min(kMostTogether, tokens.size()))) {
    logits = feed_each(tokens.first(std::min(kMostTogether, tokens.size())));
  }
  return logits.last(vocabulary);
}

std::span<const float> Generator::feed_each(std::span<const int> tokens) {
  const auto count = static_cast<int64_t>(tokens.size());
  ANEMONE_CHECK(count >= 1 && tokens.size() <= kMostTogether);
  require_room(count);
  Step& step = step_for(count);
  std::vector<int32_t> ids(tokens.begin(), tokens.end());
  step.program->side("tokens")->write({DType::kInt32, {count}, ids.data()});
  set_position(step, count);
  run(*step.program, count);
  step.program->output().read(step.logits);
  if (count == 1) return step.logits.as<float>();
  transpose(step.logits.as<float>(), tokens.size(), rows_.as<float>());
  return rows_.as<float>().first(tokens.size() * static_cast<size_t>(config_.vocab_size));
}

void Generator::go_back(int64_t position) {
  ANEMONE_CHECK(position >= 0 && position <= position_);
  position_ = position;
}

void Generator::require_room(int64_t tokens) const {
  if (position_ + tokens <= capacity_) return;
  fail(fmt::format("position {}", capacity_),
       fmt::format("the sequence is longer than the {} positions of the cache", capacity_));
}

void Generator::prefill(std::span<const int> tokens) {
  const auto length = static_cast<int64_t>(tokens.size());
  ForwardProgram program(device_, stored_in(stored_, prefill_chain(config_, length)), values_,
                         kOwnSide);
  program.side("tokens")->write(
      Tensor::of<int32_t>({length}, std::vector<int32_t>(tokens.begin(), tokens.end())));
  run(program, length);
  program.output().read({DType::kFp32, {1, config_.vocab_size, 1, 1}, rows_.as<float>().data()});
}

// Of `columns` new tokens. A layer's cache grows as soon as it has run, while what attention read
// of the cache is still near.
void Generator::run(ForwardProgram& program, int64_t columns) {
  program.run([&](size_t use) {
    append(program, use, "new_k", "k_cache", columns);
    append(program, use, "new_v", "v_cache", columns);
  });
  position_ += columns;
}

// [G, K, columns] go behind what is in the cache, if the use of a stage has any.
void Generator::append(ForwardProgram& from, size_t use, const char* fresh, const char* cache,
                       int64_t columns) {
  Buffer* buffer = from.side(fresh, use);
  if (!buffer) return;
  const TensorView source = buffer->map(), target = steps_.at(1).program->side(cache, use)->map();
  ANEMONE_CHECK(source.data && target.data);
  const int64_t size = config_.head_size;
  for (int64_t head = 0; head < config_.kv_heads; ++head) {
    const float* from_head = source.as<float>().data() + head * size * columns;
    float* to_head = target.as<float>().data() + (head * capacity_ + position_) * size;
    for (int64_t column = 0; column < columns; ++column) {
      for (int64_t c = 0; c < size; ++c)
        to_head[column * size + c] = from_head[c * columns + column];
    }
  }
}

namespace {

// The text so far, and what has been picked for it.
class Writing {
 public:
  Writing(std::span<const int> prompt, int64_t tokens, const SamplerOptions& options,
          std::span<const int> stop_ids, const std::function<void(int id)>& on_token)
      : text_(prompt.begin(), prompt.end()),
        end_(prompt.size() + static_cast<size_t>(tokens)),
        sampler_(options),
        stop_ids_(stop_ids),
        on_token_(on_token) {}

  std::span<const int> text() const { return text_; }
  const Sampler& sampler() const { return sampler_; }
  bool done() const { return stopped_ || text_.size() >= end_; }
  int64_t picks() const { return picks_; }

  // The next token; not part of the text where it is one to stop at.
  int pick(std::span<const float> logits) {
    const int id = sampler_.pick(logits);
    ++picks_;
    stopped_ = std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end();
    if (stopped_) return id;
    text_.push_back(id);
    if (on_token_) on_token_(id);
    return id;
  }

 private:
  std::vector<int> text_;
  size_t end_;
  Sampler sampler_;
  std::span<const int> stop_ids_;
  const std::function<void(int id)>& on_token_;
  int64_t picks_ = 0;
  bool stopped_ = false;
};

// One pass over the last token and what the draft proposes after it: as many tokens as it is right
// about, and one more.
void write_on(Generator& generator, Draft* draft, Writing& writing, Generated& result) {
  std::vector<int> fed = {writing.text().back()};
  if (draft) {
    const std::span<const int> proposed = draft->propose(writing.text(), writing.sampler());
    fed.insert(fed.end(), proposed.begin(), proposed.end());
  }
  const int64_t begin = generator.position();
  const std::span<const float> logits = generator.feed_each(fed);
  const size_t vocabulary = logits.size() / fed.size();
  size_t right = 0;
  while (!writing.done()) {
    const int id = writing.pick(logits.subspan(right * vocabulary, vocabulary));
    if (right + 1 == fed.size() || fed[right + 1] != id) break;
    ++right;
  }
  generator.go_back(begin + 1 + static_cast<int64_t>(right));
  if (draft) draft->keep(generator.position());
  result.drafted += static_cast<int64_t>(fed.size()) - 1;
  result.accepted += static_cast<int64_t>(right);
}

}  // namespace

Generated generate(Generator& generator, std::span<const int> prompt, int64_t tokens,
                   const SamplerOptions& options, std::span<const int> stop_ids,
                   const std::function<void(int id)>& on_token, Draft* draft) {
  ANEMONE_CHECK(!prompt.empty());
  Writing writing(prompt, tokens, options, stop_ids, on_token);
  Generated result;
  const Stopwatch prompt_watch;
  const std::span<const float> logits = generator.feed(prompt);
  result.prompt_ms = prompt_watch.elapsed_ms();
  if (!writing.done()) writing.pick(logits);
  const Stopwatch watch;
  while (!writing.done()) write_on(generator, draft, writing, result);
  // The first token came from the prompt's pass.
  if (writing.picks() > 1) {
    result.tokens_per_s = static_cast<double>(writing.picks() - 1) / (watch.elapsed_ms() / 1000);
  }
  const std::span<const int> text = writing.text();
  result.ids.assign(text.begin() + static_cast<std::ptrdiff_t>(prompt.size()), text.end());
  return result;
}

}  // namespace anemone
