// Training steps of every pipeline, with the lines of the published tables.
#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/bench/training_setup.h"
#include "anemone/train/efficiency_report.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

std::vector<std::string> pipelines_for(const Device& device, const BenchOptions& options) {
  if (!options.pipelines.empty()) return options.pipelines;
  if (device.info().float_type != DType::kFp16) return {"host"};
  return {"static", "static-ane", "dynamic"};
}

// On a device of its own, so that each finds the whole budget of compilations.
ordered_json run_pipeline(ThreadPool& pool, const BenchOptions& options, const std::string& data,
                          const std::string& pipeline) {
  const auto owned = make_device(options.device, pool, options.settings);
  Device& device = *owned;
  const bool values = !device.simulation() || device.simulation()->values();
  const auto host = make_host(device, pool);
  Timeline timeline;
  const TrainingPlace place{device, *host, pool, find_pipeline(pipeline), &timeline};
  Trainer trainer(place, state_for(options, data, pipeline), weights_for(options, values));
  while (!trainer.done()) {
    options.measure.progress(
        fmt::format("{}, update {} of {}", pipeline, trainer.state().step + 1, options.updates));
    // A simulated clock takes in a new process without one; on hardware, what fits one process is
    // what is measured.
    if (trainer.must_restart()) {
      if (!device.simulation()) break;
      trainer.note_restart();
    }
    trainer.update();
  }
  return ordered_json(to_json(make_report(trainer, place)));
}

}  // namespace

void bench_train(Device& device, ThreadPool& pool, const BenchOptions& options,
                 BenchResult& result) {
  const ScratchFolder folder(temporary_root());
  const std::string data = data_for(options, folder.path());
  describe_training(options, result);
  for (const std::string& pipeline : pipelines_for(device, options)) {
    ordered_json row = {{"pipeline", pipeline}};
    try {
      row.update(run_pipeline(pool, options, data, pipeline));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kInternal) throw;
      row["refused"] = error.what();
    }
    result.rows.push_back(std::move(row));
  }
}

}  // namespace anemone
