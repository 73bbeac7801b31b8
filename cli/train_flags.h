// The command line of `anemone train`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "anemone/train/train_options.h"

namespace anemone::cli {

struct TrainFlags {
  TrainOptions given;  // values of the flags that are there
  std::string init, out, resume, schedule = "constant", order = "random", progress = "lines";
  std::string values = "on", ane_route = "auto", chips, trace, report_json;
  bool json = false, quiet = false, report = false;
  bool discard = false;  // the directory of the run is removed at its end
  std::vector<double>
      continued;  // after a restart: updates that the command has made, and their ms
  CLI::Option *batch = nullptr, *min_lr = nullptr, *eval_windows = nullptr;
  // Copies one given flag into the options of a run.
  std::vector<std::pair<CLI::Option*, std::function<void(TrainOptions&)>>> overrides;

  // Nothing is computed: no data, no weights, no checkpoint.
  bool only_time() const { return values == "off"; }
};

void add_flags(CLI::App& app, TrainFlags& flags);
void add_batch_flag(CLI::App& app, TrainFlags& flags, const char* help);
// Those about updates: steps, learning rate, AdamW, seed.
void add_update_flags(CLI::App& app, TrainFlags& flags);
// Those about where programs run.
void add_place_flags(CLI::App& app, TrainFlags& flags);
// The pipeline's name or file as given; without it what suits the device.
std::string pipeline_name(const TrainOptions& options, const DeviceInfo& device);
inline bool is_placement_file(const std::string& pipeline) { return pipeline.ends_with(".json"); }
// What the given flags say, over `options`.
void apply_given(const TrainFlags& flags, TrainOptions& options);

// A note for each flag whose value is taken but does nothing, or another thing than expected.
// `options`: those of the run, which --resume may bring.
void note_update_flags_without_effect(const TrainFlags& flags, const TrainOptions& options);
void note_flags_without_effect(const TrainFlags& flags, const TrainOptions& options);

}  // namespace anemone::cli
