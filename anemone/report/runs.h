// Which results belong together: those of one device, on one machine or from one source.
#pragma once

#include <string>
#include <vector>

#include "anemone/report/document.h"
#include "anemone/report/fit.h"
#include "anemone/report/result.h"

namespace anemone {

struct ResultFile {
  std::string path;
  BenchResult result;
};

struct RunResult {
  BenchResult result;
  std::string path;
  std::vector<ProbeFit> fits;
};

// A number by which tables and plots refer to where figures come from.
struct Run {
  int number = 0;
  Origin origin = Origin::kMeasured;
  std::vector<RunResult> results;  // of different benchmarks

  const BenchResult& first() const { return results.front().result; }
  // "sim:m4-max [1]".
  Cell name() const;
};

// Measured runs first, then simulated and published ones, else in the order of the files.
std::vector<Run> runs_of(const std::vector<ResultFile>& files);

}  // namespace anemone
