// The files of a training run: where they go, and what is written there besides checkpoints.
#pragma once

#include <filesystem>

#include "anemone/train/trainer.h"
#include "cli/train_flags.h"

namespace anemone::cli {

// The directory of --out or --resume; empty without either, which only --values off allows. Throws
// Error for a place that holds a run or a model, and for a --resume that is no run.
std::filesystem::path output_directory(const TrainFlags& flags);

// Throws Error where `file` cannot be written: before hours of training and not after them. `out`
// need not be there yet.
void check_writable(const std::filesystem::path& file, const std::filesystem::path& out);

// Makes `out` with the vocabulary in it; of metrics.jsonl stay the lines up to `first_step`.
void prepare_output(const TrainFlags& flags, const std::filesystem::path& out, int64_t first_step);

// Reports and the trace, at the end of a run; with --values off also OUT/report.json.
void write_reports(const TrainFlags& flags, const std::filesystem::path& out, Trainer& trainer,
                   const TrainingPlace& place);

}  // namespace anemone::cli
