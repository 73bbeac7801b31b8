#include "anemone/train/trainer.h"

#include <fmt/format.h>

#include <cmath>

#include "anemone/base/clock.h"
#include "anemone/nn/llama.h"

namespace anemone {
namespace {

TokenShard open_checked(const std::string& path, const LlamaConfig& config) {
  TokenShard shard = TokenShard::open(path, config.vocab_size);
  shard.check_ids();
  return shard;
}

void check_sequence(const TrainOptions& options, const LlamaConfig& config) {
  if (options.sequence <= config.max_sequence) return;
  fail("--seq", fmt::format("{} tokens are more than the model's {} positions", options.sequence,
                            config.max_sequence));
}

}  // namespace

Trainer::Trainer(Device& device, ThreadPool& pool, TrainerState state, ModelWeights weights,
                 Timeline* timeline)
    : pool_(pool),
      timeline_(timeline),
      state_((state.options.validate(), check_sequence(state.options, weights.config),
              std::move(state))),
      parameters_(device, std::move(weights), /*trained=*/true),
      shard_(open_checked(state_.options.data, parameters_.config())),
      batches_(shard_, state_.options.batch, state_.options.sequence, state_.options.order,
               state_.options.seed) {
  const TrainOptions& options = state_.options;
  // Micro-steps count from the first update with today's --accum, whatever it was before.
  state_.position.micro_step = state_.step * options.accumulation;
  if (state_.step > 0) batches_.seek(state_.position);
  if (!options.validation.empty()) {
    validation_ = open_checked(options.validation, parameters_.config());
    validation_->require_window(options.sequence + 1);
    evaluator_ = std::make_unique<LossEvaluator>(device, parameters_, options.sequence);
  }
  program_ = std::make_unique<TrainingProgram>(
      device, llama_chain(parameters_.config(), options.batch, options.sequence, Head::kLoss),
      [&](const std::string& name) { return parameters_.find(name).value.get(); },
      [&](const std::string& name) { return parameters_.find(name).gradient.get(); }, timeline);
  tokens_ = Tensor(DType::kInt32, {options.batch * options.sequence});
  targets_ = Tensor(DType::kInt32, {options.batch * options.sequence});
  if (timeline_) {
    data_event_ = timeline_->name_id("read tokens");
    norm_event_ = timeline_->name_id("gradient norm");
    adamw_event_ = timeline_->name_id("AdamW");
    validation_event_ = timeline_->name_id("validation");
  }
}

double Trainer::run_micro_steps() {
  const int64_t count = state_.options.accumulation;
  double loss = 0;
  for (int64_t a = 0; a < count; ++a) {
    {
      const ScopedEvent event(timeline_, data_event_);
      batches_.next(tokens_.as<int32_t>(), targets_.as<int32_t>());
      program_->side("tokens").write(tokens_);
      program_->side("targets").write(targets_);
    }
    loss += program_->run(1.0f / static_cast<float>(count));
  }
  return loss / static_cast<double>(count);
}

bool Trainer::evaluates_now() const {
  if (!evaluator_) return false;
  const int64_t every = state_.options.eval_every;
  return state_.step == state_.options.steps || (every > 0 && state_.step % every == 0);
}

UpdateMetrics Trainer::update() {
  const Stopwatch watch;
  const TrainOptions& options = state_.options;
  UpdateMetrics metrics;
  metrics.loss = run_micro_steps();
  {
    const ScopedEvent event(timeline_, norm_event_);
    metrics.gradient_norm = gradient_norm(parameters_, pool_);
  }
  if (!std::isfinite(metrics.loss) || !std::isfinite(metrics.gradient_norm)) {
    fail(fmt::format("update {}", state_.step + 1),
         fmt::format("training diverged: loss {}, gradient norm {}", metrics.loss,
                     metrics.gradient_norm),
         "a lower --lr, more --warmup or --clip may help; nothing is saved from here on");
  }
  metrics.learning_rate = options.make_schedule().at(state_.step);
  {
    const ScopedEvent event(timeline_, adamw_event_);
    adamw_update(parameters_, pool_, options.optimizer, metrics.learning_rate,
                 metrics.gradient_norm, state_.step);
  }
  metrics.step = ++state_.step;
  state_.position = batches_.position();
  metrics.tokens = options.batch * options.sequence * options.accumulation;
  metrics.ms = watch.elapsed_ms();
  if (evaluates_now()) metrics.validation_loss = validation_loss();
  return metrics;
}

double Trainer::validation_loss() {
  const ScopedEvent event(timeline_, validation_event_);
  ANEMONE_CHECK(evaluator_ != nullptr);
  return evaluator_->run(
      *validation_, std::min(state_.options.eval_windows, evaluator_->windows_in(*validation_)));
}

}  // namespace anemone
