// The few figures that a person wants to know of a device, from the results of its benchmarks.
#pragma once

#include <span>

#include "anemone/report/fit.h"

namespace anemone {

struct Figures {
  std::string label;  // of the results: device, and whether simulated or published
  std::optional<Estimate> peak_tflops;  // `peak`: where more arithmetic would take the time
  double best_tflops = 0;               // the fastest row of any benchmark
  std::optional<Estimate> dispatch_ms;  // `dispatch`: the cheapest program, p10 to p90
  std::optional<Estimate> stream_gbs;   // `sram`, narrow: weights from behind the last capacity
  std::optional<Capacity> capacity;     // `sram`: the last that the data support
  bool sought_capacity = false;         // there was a probe that could have shown one
  std::optional<double> power_of_two;   // slowdown of such sizes, where supported
};

// Results of one device, in any order.
Figures figures_of(std::span<const BenchResult> results);

std::string to_text(const Figures& figures);
nlohmann::ordered_json to_json(const Figures& figures);

// Results of several devices, those of one label together, in the order of their first.
std::vector<std::vector<BenchResult>> by_label(std::vector<BenchResult> results);

}  // namespace anemone
