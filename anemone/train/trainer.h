// The training loop: one place that shows the order in which things happen in an update.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "anemone/train/checkpoint.h"
#include "anemone/train/evaluate_loss.h"

namespace anemone {

// One update, as it goes to the terminal and to metrics.jsonl.
struct UpdateMetrics {
  int64_t step = 0;  // from 1: updates done
  double loss = 0;   // mean over all targets of the update, before it
  double gradient_norm = 0, learning_rate = 0;
  int64_t tokens = 0;  // seen by this update
  double ms = 0;
  std::optional<double> validation_loss;
};

class Trainer {
 public:
  // `state` of a fresh run has step 0. The device, the pool and the timeline outlive the trainer.
  // Throws Error for data that do not fit the model.
  Trainer(Device& device, ThreadPool& pool, TrainerState state, ModelWeights weights,
          Timeline* timeline = nullptr);

  // Moments of the checkpoint that the weights came from.
  void restore(const std::filesystem::path& checkpoint) { read_moments(checkpoint, parameters_); }

  bool done() const { return state_.step >= state_.options.steps; }
  // Throws Error where the loss or the gradients are no longer finite.
  UpdateMetrics update();
  double validation_loss();

  const TrainerState& state() const { return state_; }
  ParameterSet& parameters() { return parameters_; }
  const TrainingProgram& program() const { return *program_; }
  void save(const std::filesystem::path& out) { save_checkpoint(out, state_, parameters_); }

 private:
  double run_micro_steps();
  bool evaluates_now() const;

  ThreadPool& pool_;
  Timeline* timeline_;
  TrainerState state_;
  ParameterSet parameters_;
  TokenShard shard_;
  std::optional<TokenShard> validation_;
  Batches batches_;
  std::unique_ptr<TrainingProgram> program_;
  std::unique_ptr<LossEvaluator> evaluator_;
  Tensor tokens_, targets_;
  size_t data_event_ = 0, norm_event_ = 0, adamw_event_ = 0, validation_event_ = 0;
};

}  // namespace anemone
