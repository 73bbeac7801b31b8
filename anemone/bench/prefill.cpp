// The first tokens of a text on this machine's CPU, all at once: from asking for them to the logits
// of the last one, with the compilation of the program for their number.
#include <fmt/format.h>

#include <numeric>

#include "anemone/base/clock.h"
#include "anemone/base/error.h"
#include "anemone/bench/op_times.h"
#include "anemone/bench/training_setup.h"
#include "anemone/generate/generator.h"
#include "anemone/train/parameters.h"

namespace anemone {

void bench_prefill(Device& device, ThreadPool& pool, const BenchOptions& options,
                   BenchResult& result) {
  if (device.simulation() || device.info().name != "cpu") {
    fail("bench prefill", "it measures this machine's CPU, not " + device.info().name);
  }
  OpTimes ops(1);
  DeviceSettings settings = options.settings;
  settings.recorder = &ops;
  const auto cpu = make_device("cpu", pool, settings);
  ParameterSet parameters(*cpu, weights_for(options, true, ReadAs::kStored),
                          /*trained=*/false, options.stored);
  const TransformerConfig& config = parameters.config();
  const int64_t sequence = options.sequence;
  if (sequence < 1 || sequence > config.max_sequence) {
    fail("--seq", fmt::format("{} is outside [1, {}], the model's positions", sequence,
                              config.max_sequence));
  }
  Generator generator(*cpu, config, sequence, parameters.values(), options.stored);
  std::vector<int> tokens(static_cast<size_t>(sequence));
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<int>(i * 7919 % static_cast<size_t>(config.vocab_size));
  }
  std::vector<double> ms;
  for (int round = -1; round < options.measure.rounds; ++round) {  // the first warms up
    options.measure.progress(fmt::format("round {}", round));
    generator.go_back(0);
    const Stopwatch watch;
    generator.feed(tokens);
    if (round < 0) {
      ops.timeline().clear();
    } else {
      ms.push_back(watch.elapsed_ms());
    }
  }
  const Summary all = summarize(ms);
  const double sum = std::accumulate(ms.begin(), ms.end(), 0.0);
  result.settings["model"] = options.model;
  result.rows.push_back({{"model", options.model},
                         {"dtype", std::string(name(options.stored))},
                         {"threads", pool.threads()},
                         {"tokens", sequence},
                         {"ms", all.median},
                         {"p10", all.p10},
                         {"p90", all.p90},
                         {"n", all.n},
                         {"tokens_per_s", 1e3 * static_cast<double>(sequence) / all.median},
                         {"components", ops.components(sum, static_cast<double>(ms.size()))}});
}

}  // namespace anemone
