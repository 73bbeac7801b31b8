// The benchmarks by name: what each measures, on any device.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/base/threads.h"
#include "anemone/bench/measure.h"
#include "anemone/devices/all_devices.h"
#include "anemone/report/result.h"

namespace anemone {

struct BenchOptions {
  std::string device = "cpu";
  DeviceSettings settings;
  MeasureOptions measure;

  // sram
  bool coarse = true, fine = true, stream = true;
  std::vector<int64_t> spatial = {};   // instead of the published widths
  std::vector<int64_t> channels = {};  // instead of the published ones

  // train and step
  std::string model = "stories110m";
  std::string data;     // token ids; none: random ones, since the time does not depend on them
  int64_t updates = 4;  // the first also compiles
  int64_t batch = 1, sequence = 256, accumulation = 10;
  std::vector<std::string> pipelines = {};  // empty: those that suit the device

  // step
  std::string trace;        // a file for every operation of every step
  int64_t micro_steps = 1;  // of an update: what begins gradients, and what adds to them

  // decode and prefill
  DType stored = DType::kFp32;  // of the weights in memory
};

struct Benchmark {
  std::string_view name;
  std::string_view purpose;
  bool on_engines = true;  // or on the CPU alone
  // Adds rows, and settings where there are any.
  void (*run)(Device& device, ThreadPool& pool, const BenchOptions& options, BenchResult& result);
};

std::span<const Benchmark> all_benchmarks();

// Throws Error(kInvalidInput) that lists the names.
const Benchmark& find_benchmark(std::string_view name);

// On a device of its own. Throws Error(kInvalidInput) for an unknown device, Error(kUnavailable)
// for one that this machine lacks, Error(kInternal) where a device computes wrongly.
BenchResult run_benchmark(const Benchmark& benchmark, ThreadPool& pool,
                          const BenchOptions& options);

// What `train`, `step`, `prefill` and `decode` are made of.
void bench_train(Device& device, ThreadPool& pool, const BenchOptions& options,
                 BenchResult& result);
void bench_step(Device& device, ThreadPool& pool, const BenchOptions& options, BenchResult& result);
void bench_prefill(Device& device, ThreadPool& pool, const BenchOptions& options,
                   BenchResult& result);
void bench_decode(Device& device, ThreadPool& pool, const BenchOptions& options,
                  BenchResult& result);

}  // namespace anemone
