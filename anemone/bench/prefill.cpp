// The first tokens of a text on this machine's CPU, all at once: from asking for them to the logits
// of the last one, with the compilation of the program for their number.
#include <fmt/format.h>

#include <numeric>

#include "anemone/base/clock.h"
#include "anemone/base/error.h"
#include "anemone/bench/measured_model.h"
#include "anemone/generate/generator.h"

namespace anemone {

void bench_prefill(Device& device, ThreadPool& pool, const BenchOptions& options,
                   BenchResult& result) {
  require_cpu(device, "bench prefill");
  MeasuredModel model(pool, options);
  const TransformerConfig& config = model.parameters.config();
  const int64_t sequence = options.sequence;
  if (sequence < 1 || sequence > config.max_sequence) {
    fail("--seq", fmt::format("{} is outside [1, {}], the model's positions", sequence,
                              config.max_sequence));
  }
  Generator generator(*model.cpu, config, sequence, model.parameters.values(), options.stored);
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
      model.ops.timeline().clear();
    } else {
      ms.push_back(watch.elapsed_ms());
    }
  }
  const Summary all = summarize(ms);
  const double sum = std::accumulate(ms.begin(), ms.end(), 0.0);
  result.settings["model"] = options.model;
  result.rows.push_back(
      {{"model", options.model},
       {"dtype", std::string(name(options.stored))},
       {"threads", pool.threads()},
       {"tokens", sequence},
       {"ms", all.median},
       {"p10", all.p10},
       {"p90", all.p90},
       {"n", all.n},
       {"tokens_per_s", 1e3 * static_cast<double>(sequence) / all.median},
       {"components", model.ops.components(sum, static_cast<double>(ms.size()))}});
}

}  // namespace anemone
