#include "anemone/bench/benchmarks.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/base/machine.h"
#include "anemone/base/nearest_name.h"
#include "anemone/bench/cases.h"
#include "anemone/bench/int8_cases.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

void add_rows(BenchResult& result, std::vector<ordered_json> rows) {
  for (ordered_json& row : rows) result.rows.push_back(std::move(row));
}

std::vector<BenchCase> chain_cases(std::span<const Chain> chains, DType dtype) {
  std::vector<BenchCase> cases;
  for (const Chain& chain : chains) cases.push_back(chain_case(chain, dtype));
  return cases;
}

// --- peak ---

constexpr double kWorthwhileGain = 1.03;
constexpr int64_t kMostSpatial = 16384;

double rate(const ordered_json& row) { return number(row, "tflops"); }

// Measures ever larger ones of `chain` until that brings nothing more; leaves the best in it.
template <typename Grow>
void grow(Device& device, const MeasureOptions& options, BenchResult& result, Chain& chain,
          double& best, Grow larger) {
  for (Chain next = larger(chain); next.spatial <= kMostSpatial && next.depth > 0;
       next = larger(next)) {
    add_rows(result, measure(device, {chain_case(next, device.info().float_type)}, options));
    const double now = rate(result.rows.back());
    if (now > best) chain = next;
    if (now < kWorthwhileGain * best) return;
    best = now;
  }
}

// The fastest of the rows, wider and wider, and then with more channels to a layer of fewer layers:
// what is too narrow or moves too many activations for its arithmetic does not show the peak. Its
// program has been checked; these differ in nothing but sizes.
void widen(Device& device, const BenchOptions& options, BenchResult& result) {
  const auto fastest = std::max_element(
      result.rows.begin(), result.rows.end(),
      [](const ordered_json& a, const ordered_json& b) { return rate(a) < rate(b); });
  if (fastest == result.rows.end() || rate(*fastest) == 0) return;
  Chain chain{(*fastest)["depth"], (*fastest)["channels"], (*fastest)["spatial"]};
  double best = rate(*fastest);
  MeasureOptions unchecked = options.measure;
  unchecked.check = false;
  grow(device, unchecked, result, chain, best, [](const Chain& c) {
    return Chain{c.depth, c.channels, 2 * c.spatial};
  });
  grow(device, unchecked, result, chain, best, [](const Chain& c) {
    return Chain{c.depth / 4, 2 * c.channels, c.spatial};
  });
}

void bench_peak(Device& device, ThreadPool&, const BenchOptions& options, BenchResult& result) {
  add_rows(result,
           measure(device, chain_cases(peak_chains(), device.info().float_type), options.measure));
  widen(device, options, result);
}

// --- single convolutions ---

void bench_inmem(Device& device, ThreadPool&, const BenchOptions& options, BenchResult& result) {
  std::vector<BenchCase> cases = chain_cases(inmem_chains(), device.info().float_type);
  for (BenchCase& which : cases) which.through_package = true;
  const bool computes = !device.simulation() || device.simulation()->values();
  result.settings["through"] =
      computes ? "packages, written and read again" : "memory: without values there are no files";
  add_rows(result, measure(device, cases, options.measure));
}

std::vector<Chain> probe_chains(std::span<const Chain> published, const BenchOptions& options) {
  std::vector<Chain> chains(published.begin(), published.end());
  if (!options.channels.empty()) {
    chains.clear();
    for (const int64_t channels : options.channels) chains.push_back({1, channels});
  }
  if (options.spatial.empty()) return chains;
  std::vector<Chain> result;
  for (const int64_t spatial : options.spatial) {
    for (const Chain& chain : chains) result.push_back({1, chain.channels, spatial});
  }
  return result;
}

void bench_sram(Device& device, ThreadPool&, const BenchOptions& options, BenchResult& result) {
  struct Probe {
    const char* name;
    bool wanted;
    std::span<const Chain> chains;
  };
  // Engines move tokens in lanes; a CPU has its product of a matrix and a vector.
  const auto narrow = stream_chains(device.info().float_type == DType::kFp16 ? 32 : 1);
  for (const Probe& probe :
       {Probe{"coarse", options.coarse, coarse_chains()},
        Probe{"fine", options.fine, fine_chains()}, Probe{"stream", options.stream, narrow}}) {
    if (!probe.wanted) continue;
    options.measure.progress(fmt::format("{} probe", probe.name));
    const auto cases = chain_cases(probe_chains(probe.chains, options), device.info().float_type);
    for (ordered_json& row : measure(device, cases, options.measure)) {
      row["probe"] = probe.name;
      if (row.contains("ms")) {
        row["gflops_per_mb"] = number(row, "tflops") * 1e3 / number(row, "weight_mb", 1);
      }
      result.rows.push_back(std::move(row));
    }
  }
}

void bench_dispatch(Device& device, ThreadPool&, const BenchOptions& options, BenchResult& result) {
  add_rows(result, measure(device, dispatch_cases(device.info().float_type), options.measure));
}

// Wide chains differ in nothing but sizes: a simulator's answers to them are not worth their time.
void bench_int8(Device& device, ThreadPool&, const BenchOptions& options, BenchResult& result) {
  add_rows(result, measure_int8(device, int8_chains(), options.measure));
  if (!is_engine(device)) return;
  MeasureOptions wide = options.measure;
  wide.check = !device.simulation();
  add_rows(result, measure_int8(device, wide_int8_chains(), wide));
}

constexpr Benchmark kBenchmarks[] = {
    {"peak", "chains of 1x1 convolutions, then wider until throughput stops growing", true,
     bench_peak},
    {"inmem", "single convolutions, written as packages and read again", true, bench_inmem},
    {"sram", "weights of growing size, to find the capacity of on-chip memory", true, bench_sram},
    {"dispatch", "small programs, to find what starting one costs", true, bench_dispatch},
    {"int8", "chains with weights, and activations too, as int8", true, bench_int8},
    {"train", "training steps with all pipelines and their components", true, bench_train},
    {"step", "one training step on the CPU, part by part, beside the machine's peak", false,
     bench_step},
    {"prefill", "the first tokens of a text on the CPU, all at once", false, bench_prefill},
    {"decode", "greedy decoding on the CPU, beside the machine's bandwidth", false, bench_decode},
};

}  // namespace

std::span<const Benchmark> all_benchmarks() { return kBenchmarks; }

const Benchmark& find_benchmark(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Benchmark& benchmark : kBenchmarks) {
    if (benchmark.name == name) return benchmark;
    names.push_back(benchmark.name);
  }
  fail("bench", fmt::format("no benchmark is called '{}'", name), suggest(name, names));
}

BenchResult run_benchmark(const Benchmark& benchmark, ThreadPool& pool,
                          const BenchOptions& options) {
  const auto device = make_device(options.device, pool, options.settings);
  const DeviceInfo& info = device->info();
  BenchResult result;
  result.benchmark = benchmark.name;
  result.device = info.name;
  result.description = info.description;
  result.dtype = info.float_type == DType::kFp16 ? "fp16" : "fp32";
  result.simulated = info.simulated;
  result.machine = ordered_json(to_json(describe_machine()));
  result.settings = {{"threads", info.threads}};
  if (info.simulated) {
    result.settings["values"] = options.settings.values ? "on" : "off";
  } else {
    result.settings["rounds"] = options.measure.rounds;
    result.settings["sample_ms"] = options.measure.sample_ms;
  }
  benchmark.run(*device, pool, options, result);
  return result;
}

}  // namespace anemone
