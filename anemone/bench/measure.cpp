#include "anemone/bench/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <optional>

#include "anemone/base/clock.h"
#include "anemone/base/error.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

// A case that the device took.
struct Runner {
  size_t index;
  std::unique_ptr<Prepared> program;
  int repeats = 1;  // runs a sample
  std::vector<double> samples = {};
};

// The first column of [1, C, 1, S], as [1, C, 1, 1].
Tensor first_column(const Tensor& image) {
  const int64_t rows = image.shape()[1], columns = image.shape()[3];
  Tensor column(DType::kFp32, {1, rows, 1, 1});
  for (int64_t c = 0; c < rows; ++c) {
    column.as<float>()[c] = image.as<float>()[c * columns];
  }
  return column;
}

// What the device computes, against the same in fp64. Leaves of the problem what that needs.
void check_answer(Prepared& program, Problem& problem, const BenchCase& which, DType dtype) {
  std::vector<Tensor> found = program.run();
  if (which.by_column) {
    for (Tensor& input : problem.inputs) input = first_column(input);
    for (Tensor& result : found) result = first_column(result);
  }
  const std::vector<Tensor> wanted = reference(problem);
  double difference = 0, size = 0;
  for (size_t r = 0; r < wanted.size(); ++r) {
    for (int64_t i = 0; i < wanted[r].size(); ++i) {
      difference += std::pow(found[r].at(i) - wanted[r].at(i), 2);
      size += std::pow(wanted[r].at(i), 2);
    }
  }
  // Each layer of a chain rounds; a hundred of them in fp16 come to less than one percent.
  double allowed = dtype == DType::kFp32 ? 1e-4 : 0.03;
  if (which.allowed_error > 0) allowed = which.allowed_error;
  const double error = std::sqrt(difference / std::max(size, 1e-300));
  if (error <= allowed) return;
  throw Error(ErrorCode::kInternal, "bench",
              fmt::format("wrong answer at {}: off by {:.2g} of its size, more than {:.2g}",
                          describe(which.labels), error, allowed),
              "a time of a wrong answer says nothing; anemone selftest shows what is wrong");
}

double sample_ms(Runner& runner) {
  const Stopwatch watch;
  for (int i = 0; i < runner.repeats; ++i) runner.program->run_once();
  return watch.elapsed_ms() / runner.repeats;
}

void warm_up(Runner& runner, const MeasureOptions& options) {
  const Stopwatch watch;
  double last = 0;
  do {
    std::vector<double> times;
    for (int i = 0; i < 5; ++i) times.push_back(sample_ms(runner));
    const double now = summarize(times).median;
    runner.repeats = std::max(1, static_cast<int>(options.sample_ms / std::max(now, 1e-6)));
    if (std::abs(now - last) < 0.03 * now) return;
    last = now;
  } while (watch.elapsed_ms() < options.warm_up_ms);
}

std::string reason(const Error& error) {
  return error.message() + (error.hint().empty() ? "" : "; instead: " + error.hint());
}

// Throws Error where the device refuses, before any numbers are made.
Problem outlined(Device& device, const BenchCase& which) {
  if (!which.outline) return which.problem();
  Problem outline = which.outline();
  const Support support = device.accepts(build_function(outline, device.info().float_type));
  if (!support) fail("bench", support.reason);
  const bool computes = !device.simulation() || device.simulation()->values();
  return computes ? which.problem() : std::move(outline);
}

// Nothing where the device refuses.
std::optional<Runner> prepare(Device& device, const BenchCase& which, size_t index,
                              const MeasureOptions& options, ordered_json& row) {
  try {
    Problem problem = outlined(device, which);
    PackageTrip trip;
    const bool as_package = which.through_package && problem.numbers;
    Runner runner{index, std::make_unique<Prepared>(device, problem, as_package ? &trip : nullptr)};
    if (as_package) row["package_mb"] = trip.package_mb;
    if (as_package && !device.simulation()) row["load_ms"] = trip.load_ms;
    if (options.check) {
      check_answer(*runner.program, problem, which, device.info().float_type);
    }
    if (!device.simulation()) warm_up(runner, options);
    return runner;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) throw;
    row["refused"] = reason(error);
  } catch (const std::bad_alloc&) {
    row["refused"] = "out of memory";
  }
  return std::nullopt;
}

void finish(ordered_json& row, const Runner& runner, double flops) {
  const Summary times = summarize(runner.samples);
  row["ms"] = times.median;
  row["p10"] = times.p10;
  row["p90"] = times.p90;
  row["n"] = times.n;
  if (flops > 0) row["tflops"] = flops / times.median * 1e-9;
}

}  // namespace

std::string describe(const ordered_json& labels) {
  std::string text;
  for (const auto& [name, value] : labels.items()) {
    if (value.is_number_float()) continue;  // what follows from the others
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

std::vector<ordered_json> measure(Device& device, const std::vector<BenchCase>& cases,
                                  const MeasureOptions& options) {
  std::vector<ordered_json> rows;
  std::vector<Runner> runners;
  for (size_t i = 0; i < cases.size(); ++i) {
    options.progress(describe(cases[i].labels));
    rows.push_back(cases[i].labels);
    if (auto runner = prepare(device, cases[i], i, options, rows.back())) {
      runners.push_back(std::move(*runner));
    }
  }
  const int rounds = device.simulation() ? 1 : options.rounds;
  for (int round = 0; round < rounds; ++round) {
    if (rounds > 1) options.progress(fmt::format("round {} of {}", round + 1, rounds));
    for (Runner& runner : runners) {
      runner.samples.push_back(device.simulation() ? runner.program->run_ms() : sample_ms(runner));
    }
  }
  for (const Runner& runner : runners)
    finish(rows[runner.index], runner, cases[runner.index].flops);
  return rows;
}

}  // namespace anemone
