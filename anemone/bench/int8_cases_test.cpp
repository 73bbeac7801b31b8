#include "anemone/bench/int8_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/sim/sim_device.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;
using testing::ElementsAre;

const Chain kSmall[] = {{3, 32, 16}, {1, 64, 16}};

MeasureOptions short_options() {
  MeasureOptions options;
  options.rounds = 3;
  options.sample_ms = 0.1;
  options.warm_up_ms = 1;
  return options;
}

std::vector<std::string> variants_of(const std::vector<ordered_json>& rows) {
  std::vector<std::string> names;
  for (const ordered_json& row : rows) names.push_back(row["variant"]);
  return names;
}

std::unique_ptr<Device> without_values(const char* chip, ThreadPool& pool) {
  SimOptions options;
  options.values = false;
  return make_sim_device(find_chip(chip), pool, options);
}

TEST(Int8Bench, ChecksAndTimesEveryVariantOnTheCpu) {
  ThreadPool pool(2);
  const auto cpu = make_cpu_device(pool);
  const auto rows = measure_int8(*cpu, kSmall, short_options());
  EXPECT_THAT(variants_of(rows), ElementsAre("fp32", "w8", "w8a8", "fp32", "w8", "w8a8"));
  for (const ordered_json& row : rows) {
    EXPECT_FALSE(row.contains("refused")) << row;
    EXPECT_GT(row["ms"].get<double>(), 0) << row;
    EXPECT_GT(row["tflops"].get<double>(), 0) << row;
  }
  EXPECT_EQ(rows[0]["speedup"], 1.0);
  EXPECT_EQ(rows[1]["weight_mb"].get<double>(), rows[0]["weight_mb"].get<double>() / 4);
}

TEST(Int8Bench, ChecksEveryVariantOnASimulatedEngine) {
  ThreadPool pool(2);
  const auto device = make_sim_device(find_chip("m4-max"), pool, {});
  const auto rows = measure_int8(*device, kSmall, short_options());
  EXPECT_THAT(variants_of(rows), ElementsAre("fp16", "w8", "w8a8", "fp16", "w8", "w8a8"));
  for (const ordered_json& row : rows) EXPECT_FALSE(row.contains("refused")) << row;
  EXPECT_EQ(rows[1]["weight_mb"].get<double>(), rows[0]["weight_mb"].get<double>() / 2);
}

TEST(Int8Bench, FewerBytesOfWeightsShowWhereWeightsAreWhatTakesTheTime) {
  ThreadPool pool(2);
  MeasureOptions unchecked;
  unchecked.check = false;
  const Chain chains[] = {{1, 2304, 64}, {16, 512, 4096}};
  const auto device = without_values("m4", pool);
  const auto rows = measure_int8(*device, chains, unchecked);
  EXPECT_GT(rows[1]["speedup"].get<double>(), 1.2);
  EXPECT_NEAR(rows[4]["speedup"].get<double>(), 1, 0.01);  // arithmetic stays that of fp16
  EXPECT_GT(rows[5]["speedup"].get<double>(), 1.5);
  // The M5 is measured to fetch no faster for it.
  const auto m5 = without_values("m5-pro", pool);
  EXPECT_NEAR(measure_int8(*m5, chains, unchecked)[1]["speedup"].get<double>(), 1, 1e-9);
}

TEST(Int8Bench, SpeedupIsOverThePlainRowOfTheSameSize) {
  ThreadPool pool(1);
  const auto device = make_sim_device(find_chip("m4-max"), pool, {});
  const auto rows = measure_int8(*device, kSmall, short_options());
  for (const ordered_json& row : rows) {
    EXPECT_EQ(row["speedup"].get<double>(), 1.0) << row;  // both take the floor
  }
}

}  // namespace
}  // namespace anemone
