// The self-test passes where it should and fails where a device computes wrongly.
#include "anemone/selftest/selftest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/sim/sim_device.h"

namespace anemone {
namespace {

class SelftestOn : public testing::Test {
 protected:
  Verdict verdict(Device& device, const char* name) {
    return run_selftest(find_selftest(name), device).outcome.verdict;
  }
  std::unique_ptr<Device> sim(const char* chip, const Numerics& numerics = {}) {
    SimOptions options;
    options.numerics = numerics;
    return make_sim_device(find_chip(chip), pool, options);
  }

  ThreadPool pool{2};
};

TEST(Selftest, HasTheElevenPublishedNamesAndEachOnce) {
  std::set<std::string_view> names;
  for (const Selftest& test : all_selftests()) {
    EXPECT_TRUE(names.insert(test.name).second) << test.name;
  }
  for (const char* name : {"test_rmsnorm_bwd", "test_classifier", "test_weight_reload",
                           "test_perf_stats", "test_qos_sweep", "test_ane_advanced", "inmem_basic",
                           "inmem_bench", "inmem_peak", "sram_bench", "sram_probe"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_THROW(find_selftest("test_rmsnorm"), Error);
}

TEST_F(SelftestOn, TheCpuPassesWhatIsNotAboutTheEngine) {
  const auto cpu = make_cpu_device(pool);
  for (const char* name : {"test_rmsnorm_bwd", "inmem_basic", "inmem_bench", "port_order",
                           "causal_mask", "grouped_heads", "runtime_weights"}) {
    EXPECT_EQ(verdict(*cpu, name), Verdict::kPass) << name;
  }
  EXPECT_EQ(verdict(*cpu, "fp16_ceiling"), Verdict::kNotApplicable);
}

TEST_F(SelftestOn, TheTwinPassesAndFailsAsExpectedWhereTheHardwareDoes) {
  for (const char* chip : {"m4-max", "m1"}) {
    SCOPED_TRACE(chip);
    const auto device = sim(chip);
    for (const char* name :
         {"test_rmsnorm_bwd", "inmem_basic", "port_order", "surface_sizes", "causal_mask",
          "fp16_ceiling", "product_grid", "grouped_heads", "runtime_weights", "compile_budget"}) {
      const SelftestResult result = run_selftest(find_selftest(name), *device);
      EXPECT_EQ(result.outcome.verdict, Verdict::kPass) << name << ": " << result.outcome.notes;
    }
    EXPECT_EQ(verdict(*device, "test_weight_reload"), Verdict::kExpectedFail);
  }
}

TEST_F(SelftestOn, WhatOnlyHardwareCanAnswerNeverPassesOnATwin) {
  const auto device = sim("m4-max");
  for (const char* name : {"test_perf_stats", "test_qos_sweep", "test_ane_advanced"}) {
    EXPECT_EQ(verdict(*device, name), Verdict::kNeedsHardware) << name;
  }
}

TEST_F(SelftestOn, ADeviceThatComputesOtherwiseFails) {
  Numerics none;
  none.ceiling = none.product_grid = false;
  const auto device = sim("m4-max", none);
  EXPECT_EQ(verdict(*device, "fp16_ceiling"), Verdict::kFail);
  EXPECT_EQ(verdict(*device, "product_grid"), Verdict::kFail);
}

TEST_F(SelftestOn, AnErrorOfTheDeviceIsAFailureWithItsMessage) {
  SimOptions empty;
  empty.compile_budget = 0;
  const auto device = make_sim_device(find_chip("m4-max"), pool, empty);
  const SelftestResult result = run_selftest(find_selftest("inmem_basic"), *device);
  EXPECT_EQ(result.outcome.verdict, Verdict::kFail);
  EXPECT_THAT(result.outcome.notes, testing::HasSubstr("can compile 0 programs"));
}

}  // namespace
}  // namespace anemone
