// Checkpoints: everything that a run needs to go on bit for bit.
//
//   OUT/latest                     the name of the newest checkpoint
//   OUT/step-00000100/             config.json, model.safetensors: a Hugging Face model directory;
//                                  with LoRA an adapter as PEFT has it instead
//                     optimizer.safetensors     moments: "m.<parameter>", "v.<parameter>"
//                     trainer_state.json        step, random state, options
//
// A checkpoint is written under a temporary name, synced and renamed; then `latest` is replaced and
// synced, and the ones before are removed. Whenever the power fails, `latest` names a whole
// checkpoint.
#pragma once

#include <filesystem>
#include <optional>

#include "anemone/train/batches.h"
#include "anemone/train/loss_scale.h"
#include "anemone/train/parameters.h"
#include "anemone/train/run_totals.h"
#include "anemone/train/train_options.h"

namespace anemone {

struct TrainerState {
  int64_t step = 0;  // updates done, skipped ones included
  Batches::Position position;
  TrainOptions options;
  std::optional<LossScale> loss_scale;  // none before the first update
  RunTotals totals;
};

void save_checkpoint(const std::filesystem::path& out, const TrainerState& state,
                     ParameterSet& parameters);

// The newest checkpoint of a run directory, or the directory itself where it is a checkpoint or a
// model. Throws Error where a run directory has none.
std::filesystem::path resolve_checkpoint(const std::filesystem::path& directory);

// Of a directory that resolve_checkpoint returned. Moments go into `parameters`.
TrainerState read_trainer_state(const std::filesystem::path& checkpoint);
// Weights of such a directory, with rotary rows in the order in which the run trains them.
ModelWeights read_checkpoint_weights(const std::filesystem::path& checkpoint);
void read_moments(const std::filesystem::path& checkpoint, ParameterSet& parameters);

}  // namespace anemone
