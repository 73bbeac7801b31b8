#include "anemone/report/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/base/error.h"
#include "anemone/base/random.h"
#include "anemone/report/minimize.h"

namespace anemone {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

// A made-up machine, and what it measures with a few percent of noise.
struct Machine {
  double dispatch_ms = 0.1, peak_tflops = 40, near_gbs = 200, far_gbs = 200, capacity_mb = 1e9;
  double power_of_two = 1, noise = 0.03;
};

std::vector<Observation> measured(const Machine& machine, double spatial = 64) {
  Random random(3);
  std::vector<Observation> result;
  for (const double channels : {256., 512., 768., 1024., 1280., 1536., 1792., 2048., 2304., 2560.,
                                3072., 3584., 4096., 4608., 5120., 6144., 7168., 8192.}) {
    Observation o;
    o.label = std::to_string(static_cast<int>(channels));
    o.bytes = 2 * channels * channels;
    o.flops = o.bytes * (channels > 5000 ? spatial / 2 : spatial);
    o.power_of_two = channels == 4096 || channels == 8192;
    const double gbs = o.bytes > machine.capacity_mb * kMiB ? machine.far_gbs : machine.near_gbs;
    const double byte_ms = o.bytes / (gbs * 1e6) * (o.power_of_two ? machine.power_of_two : 1);
    o.ms = machine.dispatch_ms + std::max(o.flops / (machine.peak_tflops * 1e9), byte_ms);
    o.ms *= std::exp(machine.noise * random.normal());
    result.push_back(o);
  }
  return result;
}

TEST(Fit, FindsDispatchAndBandwidthOfAMachineWithoutCapacity) {
  const Fit fit = fit_times(measured({}), "test");
  EXPECT_EQ(fit.chosen, "plain");
  EXPECT_NEAR(fit.dispatch_ms.value, 0.1, 0.005);
  ASSERT_TRUE(fit.bandwidth_gbs.determined);
  EXPECT_NEAR(fit.bandwidth_gbs.value, 200, 10);
  EXPECT_LT(fit.bandwidth_gbs.low, 200);
  EXPECT_GT(fit.bandwidth_gbs.high, 200);
  EXPECT_THAT(fit.capacities, testing::IsEmpty());
  EXPECT_FALSE(fit.peak_tflops.determined);
}

TEST(Fit, FindsTheCapacityThatIsThere) {
  Machine machine;
  machine.capacity_mb = 24;
  machine.far_gbs = 50;
  const Fit fit = fit_times(measured(machine), "test");
  ASSERT_EQ(fit.capacities.size(), 1u) << fit.chosen;
  EXPECT_LE(fit.capacities[0].low_mb, 24);
  EXPECT_GE(fit.capacities[0].high_mb, 24);
  EXPECT_NEAR(fit.capacities[0].beyond_gbs.value, 50, 3);
}

TEST(Fit, TellsPowersOfTwoFromACapacity) {
  Machine machine;
  machine.power_of_two = 3;
  const Fit fit = fit_times(measured(machine), "test");
  EXPECT_EQ(fit.chosen, "powers of two");
  EXPECT_NEAR(fit.power_of_two->value, 3, 0.2);
  EXPECT_THAT(fit.capacities, testing::IsEmpty());
}

TEST(Fit, FindsThePeakOfAMachineBoundByArithmetic) {
  Machine machine;
  machine.near_gbs = machine.far_gbs = 2000;
  const Fit fit = fit_times(measured(machine), "test");
  ASSERT_TRUE(fit.peak_tflops.determined);
  EXPECT_NEAR(fit.peak_tflops.value, 40, 2);
}

TEST(Fit, ListsARowThatNothingExplains) {
  std::vector<Observation> rows = measured({});
  rows[8].ms *= 2;
  const Fit fit = fit_times(rows, "test");
  ASSERT_EQ(fit.anomalies.size(), 1u);
  EXPECT_EQ(fit.anomalies[0].label, "2304");
}

TEST(Fit, RefusesTooFewTimes) {
  std::vector<Observation> rows = measured({});
  rows.resize(4);
  EXPECT_THROW(fit_times(rows, "test"), Error);
}

TEST(Minimize, FindsTheBottomOfRosenbrocksValley) {
  const auto f = [](const std::vector<double>& x) {
    return 100 * std::pow(x[1] - x[0] * x[0], 2) + std::pow(1 - x[0], 2);
  };
  const Minimum found = minimize(f, {-1.2, 1}, 0.5);
  EXPECT_NEAR(found.at[0], 1, 1e-3);
  EXPECT_NEAR(found.at[1], 1, 1e-3);
}

}  // namespace
}  // namespace anemone
