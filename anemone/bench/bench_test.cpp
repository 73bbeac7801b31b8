#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/error.h"
#include "anemone/bench/benchmarks.h"
#include "anemone/bench/cases.h"
#include "anemone/devices/ane_spec/chip.h"
#include "anemone/report/figures.h"

namespace anemone {
namespace {

using testing::HasSubstr;

BenchOptions predictions(const std::string& device) {
  BenchOptions options;
  options.device = device;
  options.settings.values = false;
  options.measure.check = false;
  return options;
}

BenchOptions quick(const std::string& device) {
  BenchOptions options;
  options.device = device;
  options.measure.rounds = 3;
  options.measure.sample_ms = 0.1;
  options.measure.warm_up_ms = 1;
  options.coarse = options.fine = true;
  options.stream = false;
  options.spatial = {32};
  return options;
}

// The instrument where the truth is known.
class Instrument : public testing::TestWithParam<const char*> {};

TEST_P(Instrument, FindsTheConstantsOfASimulatedChip) {
  const Chip& chip = find_chip(GetParam());
  ThreadPool pool(1);
  std::vector<BenchResult> results;
  for (const char* name : {"peak", "sram", "dispatch"}) {
    results.push_back(
        run_benchmark(find_benchmark(name), pool, predictions(std::string("sim:") + GetParam())));
  }
  const Figures figures = figures_of(results);
  const auto close = [](const std::optional<Estimate>& found, double truth) {
    ASSERT_TRUE(found && found->determined);
    EXPECT_NEAR(found->value, truth, 0.05 * truth);
  };
  close(figures.peak_tflops, chip.engine.peak_tflops.value);
  close(figures.dispatch_ms, chip.engine.floor_us.value * 1e-3);
  close(figures.stream_gbs, chip.engine.stream_gbs.value);
  // Of the model: what a layer keeps at hand. Not on every chip is the difference large.
  if (figures.capacity) {
    EXPECT_LE(figures.capacity->low_mb * 1.048576, chip.engine.resident_mb.value);
    EXPECT_GE(figures.capacity->high_mb * 1.048576, chip.engine.resident_mb.value);
  }
  EXPECT_TRUE(figures.capacity || chip.name != "m4-max");
  EXPECT_THAT(to_text(figures), HasSubstr("simulated"));
}

INSTANTIATE_TEST_SUITE_P(Chips, Instrument, testing::Values("m1", "m2", "m4-max", "m5", "m6"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Measure, ARefusedSizeIsARowWithTheRule) {
  ThreadPool pool(1);
  BenchOptions options = quick("sim:m4-max");
  options.channels = {64, 20000};
  options.coarse = false;
  const BenchResult result = run_benchmark(find_benchmark("sram"), pool, options);
  ASSERT_EQ(result.rows.size(), 2u);
  EXPECT_TRUE(result.rows[0].contains("ms"));
  EXPECT_THAT(result.rows[1]["refused"].get<std::string>(), HasSubstr("ane.c1"));
}

TEST(Measure, RowsHaveTheColumnsOfThePublishedTable) {
  ThreadPool pool(1);
  BenchOptions options = quick("cpu");
  options.channels = {64, 128};
  const BenchResult result = run_benchmark(find_benchmark("sram"), pool, options);
  ASSERT_EQ(result.rows.size(), 4u);
  for (const auto& row : result.rows) {
    for (const char* name : {"channels", "spatial", "weight_mb", "activation_mb", "ms", "p10",
                             "p90", "n", "tflops", "gflops_per_mb"}) {
      EXPECT_GT(number(row, name), 0) << name;
    }
    EXPECT_EQ(row["n"], 3);
  }
  EXPECT_NEAR(number(result.rows[0], "weight_mb"), 64 * 64 * 4 / 1048576.0, 1e-12);
}

TEST(Measure, AWrongAnswerIsNoTime) {
  ThreadPool pool(1);
  const auto device = make_device("cpu", pool);
  BenchCase wrong = chain_case({1, 64, 32}, DType::kFp32);
  const auto right = wrong.problem;
  int calls = 0;
  wrong.problem = [&] {
    Problem problem = right();
    const auto build = problem.build;
    // What the device runs is twice what the reference is asked for.
    problem.build = [build, &calls](Builder& b, const auto& x, const auto& w) {
      std::vector<Value> y = build(b, x, w);
      if (++calls == 1) y[0] = b.add(y[0], y[0]);
      return y;
    };
    return problem;
  };
  MeasureOptions options;
  options.rounds = 3;
  try {
    measure(*device, {wrong}, options);
    FAIL() << "it was timed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    EXPECT_THAT(error.what(), HasSubstr("wrong answer at depth 1, channels 64, spatial 32"));
  }
}

TEST(Benchmarks, AnUnknownNameListsWhatThereIs) {
  EXPECT_THROW(find_benchmark("peek"), Error);
  ThreadPool pool(1);
  EXPECT_THROW(run_benchmark(find_benchmark("peak"), pool, predictions("sim:m99")), Error);
}

TEST(TrainingSteps, EveryPipelineOfAnEngineHasItsRow) {
  ThreadPool pool(1);
  const BenchResult result =
      run_benchmark(find_benchmark("train"), pool, predictions("sim:m4-max"));
  ASSERT_EQ(result.rows.size(), 3u);
  for (const auto& row : result.rows) {
    EXPECT_FALSE(row.contains("refused")) << row.dump();
    EXPECT_GT(number(row, "ms_per_step"), 10);
    EXPECT_GT(number(row["components"], "ane"), 1);
  }
}

}  // namespace
}  // namespace anemone
