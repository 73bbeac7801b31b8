// A model on this machine's CPU whose operations are timed: for benchmarks of generation.
#pragma once

#include <memory>

#include "anemone/bench/benchmarks.h"
#include "anemone/bench/op_times.h"
#include "anemone/train/parameters.h"

namespace anemone {

// Throws Error for another device than the CPU; `bench` is the benchmark's name.
void require_cpu(const Device& device, const char* bench);

struct MeasuredModel {
  // With the options' model in their storage type; mapped where that is the file's.
  MeasuredModel(ThreadPool& pool, const BenchOptions& options);

  OpTimes ops;
  std::unique_ptr<Device> cpu;
  ParameterSet parameters;
};

}  // namespace anemone
