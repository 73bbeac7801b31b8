// The training loop: one place that shows the order in which things happen in an update.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "anemone/runtime/training_program.h"
#include "anemone/train/checkpoint.h"
#include "anemone/train/evaluate_loss.h"
#include "anemone/train/update.h"

namespace anemone {

// Where a trainer runs. All must outlive it.
struct TrainingPlace {
  Device& device;  // what the pipeline puts programs on
  Device& host;    // parameters, host work, validation; may be the same
  ThreadPool& pool;
  Placement placement;
  Timeline* timeline = nullptr;
};

class Trainer {
 public:
  // `state` of a fresh run has step 0. Throws Error for data that do not fit the model. On a
  // simulated device without values neither data nor the numbers in `weights` are needed.
  Trainer(const TrainingPlace& place, TrainerState state, ModelWeights weights);

  // Moments of the checkpoint that the weights came from.
  void restore(const std::filesystem::path& checkpoint) { read_moments(checkpoint, parameters_); }

  bool done() const { return state_.step >= state_.options.steps; }
  // Throws Error where the loss or the gradients are no longer finite and no smaller loss scale can
  // help.
  UpdateMetrics update();
  double validation_loss();

  // Whether the device would not compile the programs of the next update: save, and go on in a new
  // process.
  bool must_restart() const;
  // Counts a restart, with what it takes on a simulated clock.
  void note_restart();

  const TrainerState& state() const { return state_; }
  ParameterSet& parameters() { return parameters_; }
  const ParameterSet& parameters() const { return parameters_; }
  const TrainingProgram& program() const { return *program_; }
  // Of a sequence in the programs: its tokens, and the padding that the device wants.
  int64_t columns() const { return columns_; }
  void save(const std::filesystem::path& out);

 private:
  void open_data();
  double run_micro_steps();
  void bring_weights_to_device();
  bool evaluates_now() const;
  TaskRunner& runner() { return program_->runner(); }
  void add_up();

  TrainingPlace place_;
  TrainerState state_;
  bool values_;
  ParameterSet parameters_;
  int64_t columns_;
  std::optional<TokenShard> shard_, validation_;
  std::optional<Batches> batches_;
  std::unique_ptr<TrainingProgram> program_;
  std::optional<Updater> updater_;
  std::unique_ptr<LossEvaluator> evaluator_;
  Tensor tokens_, targets_;
  TensorView token_view_, target_view_;             // of the two
  bool weights_are_new_ = false;                    // the device has not got them yet
  double counted_ms_ = 0, counted_compile_ms_ = 0;  // what the totals already hold
  int64_t counted_compiles_ = 0;
  double restart_ms_ = 0;  // in this process's updates
  size_t data_event_ = 0, validation_event_ = 0;
};

}  // namespace anemone
