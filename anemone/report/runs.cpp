#include "anemone/report/runs.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/report/plain_text.h"

namespace anemone {
namespace {

// What the clock and the load say changes between two benchmarks of one run.
nlohmann::ordered_json lasting(nlohmann::ordered_json machine) {
  for (const char* field : {"time", "load", "clock_mhz"}) machine.erase(field);
  return machine;
}

// The others vary too much besides the sizes of their programs.
bool has_fits(const BenchResult& result) {
  return result.benchmark == "peak" || result.benchmark == "inmem" || result.benchmark == "sram";
}

bool belongs(const Run& run, const BenchResult& result) {
  const BenchResult& first = run.first();
  const bool same = first.device == result.device && first.source == result.source &&
                    first.simulated == result.simulated && first.dtype == result.dtype &&
                    first.description == result.description &&
                    lasting(first.machine) == lasting(result.machine);
  return same && std::none_of(run.results.begin(), run.results.end(), [&](const RunResult& other) {
           return other.result.benchmark == result.benchmark;
         });
}

}  // namespace

// Short enough that no plot has to cut off the word for the origin behind it.
Cell Run::name() const {
  constexpr size_t kLongest = 24;
  return {fmt::format("{} [{}]", shortened(first().device, kLongest), number), origin};
}

std::vector<Run> runs_of(const std::vector<ResultFile>& files) {
  std::vector<Run> runs;
  for (const ResultFile& file : files) {
    auto run = std::find_if(runs.begin(), runs.end(),
                            [&](const Run& r) { return belongs(r, file.result); });
    if (run == runs.end()) {
      runs.push_back({0, origin_of(file.result), {}});
      run = runs.end() - 1;
    }
    run->results.push_back({file.result, file.path, {}});
    if (has_fits(file.result)) run->results.back().fits = fit_result(file.result);
  }
  std::stable_sort(runs.begin(), runs.end(),
                   [](const Run& a, const Run& b) { return a.origin < b.origin; });
  for (size_t i = 0; i < runs.size(); ++i) runs[i].number = static_cast<int>(i) + 1;
  return runs;
}

}  // namespace anemone
