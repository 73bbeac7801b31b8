// For benchmarks of the CPU device: runs of a function of a few operations.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/ops/builder.h"

namespace anemone::cpu_bench {

using Build = std::function<std::vector<Value>(Builder&)>;

inline void fill(Buffer& buffer, DType dtype) {
  if (dtype != DType::kFp32) return;
  size_t i = 0;
  for (float& value : buffer.map().as<float>()) {
    value = static_cast<float>(i++ % 19) * 0.1f - 0.9f;
  }
}

inline void threads(benchmark::internal::Benchmark* bench) {
  bench->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
}

// Compiles the function, fills its fp32 inputs and measures runs with state.range(0) threads.
inline void measure(benchmark::State& state, const Build& build, bool bf16 = false) {
  Function function("bench", "ios18");
  Builder builder(function);
  const std::vector<Value> results = build(builder);
  for (size_t i = 0; i < results.size(); ++i) builder.output("out" + std::to_string(i), results[i]);

  ThreadPool pool(static_cast<int>(state.range(0)));
  const auto device = make_cpu_device(pool, {.bf16 = bf16});
  const auto executable = device->compile(function);
  std::vector<std::unique_ptr<Buffer>> buffers;
  const auto bind = [&](const std::vector<std::pair<std::string, Type>>& ports) {
    std::vector<Binding> bindings;
    for (const auto& [name, type] : ports) {
      buffers.push_back(device->allocate(type));
      fill(*buffers.back(), type.dtype);
      bindings.push_back({name, buffers.back().get()});
    }
    return bindings;
  };
  const auto inputs = bind(executable->inputs()), outputs = bind(executable->outputs());
  const auto request = executable->bind(inputs, outputs);
  request->run();
  for (auto _ : state) request->run();
  const auto rate = [](double each) {
    return benchmark::Counter(each, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["flops"] = rate(executable->stats().flops);
  state.counters["bytes"] = rate(executable->stats().bytes);
}

}  // namespace anemone::cpu_bench
