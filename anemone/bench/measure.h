// Measures small programs against each other: each is checked against fp64 before it is timed, and
// all take turns, so that a machine that gets slower or busier does so for every one of them.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "anemone/bench/statistics.h"
#include "anemone/selftest/harness.h"

namespace anemone {

struct BenchCase {
  nlohmann::ordered_json labels;  // what a row says before its times
  double flops = 0;               // of one run; 0: the row gets no rate
  // Made when it is needed: the weights of all cases together are large.
  std::function<Problem()> problem;
  // The same without numbers, if there is one: all that a device needs which refuses it or computes
  // nothing.
  std::function<Problem()> outline = {};
  // The first column of the results needs only the first column of the inputs: cheap to check.
  bool by_column = true;
  // Of the answer, relative to its size; 0: what rounding to the device's type comes to.
  double allowed_error = 0;
  // Written as a package and read again before it is compiled, where it has numbers: the row says
  // the package's size, and how long loading took where times are not simulated.
  bool through_package = false;
};

struct MeasureOptions {
  int rounds = 21;           // samples of a case; simulated times do not vary and need one
  double sample_ms = 5;      // a sample is the mean of as many runs as take this long
  double warm_up_ms = 1000;  // at most, until two medians in a row agree to 3 %
  bool check = true;
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

// One row a case, in their order: labels, then ms, p10, p90, n and tflops, or `refused` with what
// the device says against it. Throws Error(kInternal) that names the case where an answer is wrong.
std::vector<nlohmann::ordered_json> measure(Device& device, const std::vector<BenchCase>& cases,
                                            const MeasureOptions& options);

// "depth 32, channels 512".
std::string describe(const nlohmann::ordered_json& labels);

}  // namespace anemone
