// Training steps of every pipeline, with the lines of the published tables.
#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/random.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/bench/benchmarks.h"
#include "anemone/train/efficiency_report.h"
#include "anemone/weights/load_model.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kRandomTokens = 1 << 16;

std::string random_tokens(const std::filesystem::path& folder, int64_t vocab) {
  Random random(7);
  std::string bytes;
  for (int64_t i = 0; i < kRandomTokens; ++i) {
    const uint64_t token = random.below(static_cast<uint64_t>(vocab));
    for (int byte = 0; byte < token_bytes(vocab); ++byte) {
      bytes.push_back(static_cast<char>(token >> (8 * byte)));
    }
  }
  const std::filesystem::path path = folder / "random.bin";
  write_file(path, bytes);
  return path.string();
}

// Without values nobody looks at the weights.
ModelWeights weights_for(const BenchOptions& options, bool values) {
  const auto preset = llama_preset(options.model);
  if (preset && !values) return {*preset, {}};
  if (preset) return initial_weights(*preset, 1);
  return load_model(options.model);
}

std::vector<std::string> pipelines_for(const Device& device, const BenchOptions& options) {
  if (!options.pipelines.empty()) return options.pipelines;
  if (device.info().float_type != DType::kFp16) return {"host"};
  return {"static", "static-ane", "dynamic"};
}

TrainerState state_for(const BenchOptions& options, const std::string& data,
                       const std::string& pipeline) {
  TrainerState state;
  TrainOptions& o = state.options;
  o.model = options.model;
  o.data = data;
  o.device = options.device;
  o.pipeline = pipeline;
  o.steps = options.updates;
  o.batch = options.batch;
  o.sequence = options.sequence;
  o.accumulation = options.accumulation;
  o.validate();
  return state;
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
  std::string data = options.data;
  const auto preset = llama_preset(options.model);
  const int64_t vocab = preset ? preset->vocab_size : load_model(options.model).config.vocab_size;
  if (data.empty()) data = random_tokens(folder.path(), vocab);
  result.settings["model"] = options.model;
  result.settings["batch"] = options.batch;
  result.settings["sequence"] = options.sequence;
  result.settings["accumulation"] = options.accumulation;
  result.settings["data"] = options.data.empty() ? "random tokens" : options.data;
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
