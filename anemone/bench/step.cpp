// One training step on this machine's CPU, part by part, beside what the machine could do at most.
#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/bench/op_times.h"
#include "anemone/bench/training_setup.h"
#include "anemone/kernels/machine_peak.h"
#include "anemone/train/efficiency_report.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

constexpr int kWarmUp = 3;
constexpr double kPeakMs = 15;           // of one look at the machine's peak
constexpr size_t kPassFloats = 1 << 26;  // of a pass over memory: 256 MiB

// Each product of the linear layers forward and twice backward, and the six of attention over the
// full square, as the field counts them.
double step_flops(const TransformerConfig& config, int64_t batch, int64_t sequence) {
  const FieldFlops flops = field_flops(config, batch, sequence);
  const auto square = static_cast<double>(sequence * sequence);
  const double attention = 12.0 * static_cast<double>(config.layers * config.heads) *
                           static_cast<double>(config.head_size) * square *
                           static_cast<double>(batch);
  return flops.total() - flops.attention + attention;
}

// Times of the run, in the turn in which they were measured.
struct Samples {
  std::vector<double> step_ms, update_ms, adamw_ms, peak_gflops, pass_gbs;
};

double spent_ms(const Timeline& timeline, const std::string& name) {
  for (const TimelineTotal& total : timeline.names()) {
    if (total.name == name) return total.total_ms;
  }
  return 0;
}

// An update between two looks at the machine: the mean of its micro-steps.
void sample(Trainer& trainer, const TrainingPlace& place, bool bf16, std::span<float> memory,
            double micro_steps, Samples& to) {
  to.peak_gflops.push_back(peak_gflops(place.pool, bf16, kPeakMs));
  to.pass_gbs.push_back(update_gbs(place.pool, memory.data(), memory.size()));
  const RunTotals before = trainer.state().totals;
  const double adamw = spent_ms(*place.timeline, "AdamW");
  trainer.update();
  const RunTotals& after = trainer.state().totals;
  to.step_ms.push_back((after.train_ms - before.train_ms) / micro_steps);
  to.update_ms.push_back(after.update_ms - before.update_ms);
  to.adamw_ms.push_back(spent_ms(*place.timeline, "AdamW") - adamw);
}

ordered_json to_row(const BenchOptions& options, ThreadPool& pool, const Samples& samples,
                    const OpTimes& ops, double flops, double parameters) {
  const Summary step = summarize(samples.step_ms), adamw = summarize(samples.adamw_ms);
  const double gflops = flops / step.median * 1e-6;
  const double peak = summarize(samples.peak_gflops).median;
  const double pass = summarize(samples.pass_gbs).median;
  const double adamw_gbs = kAdamWBytesPerParameter * parameters / adamw.median * 1e-6;
  ordered_json row = {{"model", options.model},
                      {"dtype", options.settings.bf16 ? "bf16" : "fp32"},
                      {"batch", options.batch},
                      {"sequence", options.sequence},
                      {"accum", options.accumulation},
                      {"threads", pool.threads()},
                      {"ms", step.median},
                      {"p10", step.p10},
                      {"p90", step.p90},
                      {"n", step.n},
                      {"ms_per_sequence", step.median / static_cast<double>(options.batch)},
                      {"gflop", flops * 1e-9},
                      {"gflops", gflops},
                      {"peak_gflops", peak},
                      {"peak_share", peak > 0 ? gflops / peak : 0},
                      {"roofline_ms", peak > 0 ? flops / peak * 1e-6 : 0},
                      {"update_ms", summarize(samples.update_ms).median},
                      {"adamw_ms", adamw.median},
                      {"adamw_gbs", adamw_gbs},
                      {"pass_gbs", pass},
                      {"adamw_share", adamw_gbs / pass}};
  double sum = 0;
  for (const double ms : samples.step_ms) sum += ms;
  row["components"] = ops.components(
      sum * static_cast<double>(options.accumulation),
      static_cast<double>(options.accumulation) * static_cast<double>(samples.step_ms.size()));
  return row;
}

}  // namespace

void bench_step(Device& device, ThreadPool& pool, const BenchOptions& options,
                BenchResult& result) {
  if (device.simulation() || device.info().name != "cpu") {
    fail("bench step", "it measures this machine's CPU, not " + device.info().name,
         "bench train measures pipelines of any device");
  }
  const ScratchFolder folder(temporary_root());
  BenchOptions one = options;
  one.accumulation = options.micro_steps;
  one.updates = kWarmUp + options.measure.rounds;
  OpTimes ops(options.trace.empty() ? 1 : 1 << 20);
  DeviceSettings settings = options.settings;
  settings.recorder = &ops;
  const auto cpu = make_device("cpu", pool, settings);
  Timeline timeline(1);
  const TrainingPlace place{*cpu, *cpu, pool, find_pipeline("host"), &timeline};
  Trainer trainer(place, state_for(one, data_for(one, folder.path()), "host"),
                  weights_for(one, true));
  Tensor memory(DType::kFp32, {static_cast<int64_t>(kPassFloats)});
  Samples warm, samples;
  for (int64_t i = 0; i < one.updates; ++i) {
    if (i == kWarmUp) ops.timeline().clear();
    options.measure.progress(fmt::format("step {} of {}", i + 1, one.updates));
    sample(trainer, place, options.settings.bf16, memory.as<float>(),
           static_cast<double>(one.accumulation), i < kWarmUp ? warm : samples);
  }
  describe_training(one, result);
  result.settings["compile_ms"] = trainer.program().compile_ms();
  const TransformerConfig& config = trainer.parameters().config();
  result.rows.push_back(to_row(one, pool, samples, ops, step_flops(config, one.batch, one.sequence),
                               static_cast<double>(parameter_count(config))));
  if (!options.trace.empty()) {
    write_file(options.trace, chrome_trace(ops.timeline(), device.info().name) + "\n");
  }
}

}  // namespace anemone
