// What the Neural Engine's device says about the hardware itself: the time of a run, and the
// self-test's questions that no other device can answer.
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/sim/sim_device.h"
#include "anemone/ops/builder.h"
#include "anemone/selftest/selftest.h"
#include "tests/fake_ane/device/ane_device_testing.h"

namespace anemone {
namespace {

using fake_ane::How;
using fake_ane::world;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kOfHardware[] = {"test_perf_stats", "test_qos_sweep", "test_ane_advanced"};

class AneHardware : public AneDeviceTest {
 protected:
  AneHardware() { world().options.every_quality = true; }

  std::unique_ptr<Device> open(AneRouteChoice route) { return make_ane_device(options(route)); }
  static Outcome outcome(Device& device, const char* name) {
    return run_selftest(find_selftest(name), device).outcome;
  }
  // The time on the hardware of relu, and the warnings of its program.
  struct Timed {
    std::optional<double> hardware_ms;
    std::vector<std::string> warnings;
  };
  static Timed run_relu(Device& device, bool hardware_time) {
    Function function("relu", "ios18");
    Builder b(function);
    b.output("y", b.unary("relu", b.input("x", DType::kFp16, {1, 64, 1, 64})));
    const auto program = device.compile(function, {.hardware_time = hardware_time});
    const Type type = program->inputs()[0].second;
    const auto x = device.allocate(type), y = device.allocate(type);
    const Binding in{"x", x.get()}, out{"y", y.get()};
    const auto request = program->bind({&in, 1}, {&out, 1});
    request->run();
    return {request->hardware_ms(), program->stats().warnings};
  }
};

TEST_F(AneHardware, TimeIsThatOfTheDriverAndOnlyForThoseWhoAsk) {
  const auto device = open(AneRouteChoice::kInMemory);
  EXPECT_EQ(run_relu(*device, false).hardware_ms, std::nullopt);
  const Timed timed = run_relu(*device, true);
  EXPECT_NEAR(timed.hardware_ms.value(), 0.123456, 1e-9);
  EXPECT_THAT(timed.warnings, IsEmpty());
}

TEST_F(AneHardware, TimeThatCannotBeAskedForIsAWarningThatSaysWhy) {
  const auto e5rt = open(AneRouteChoice::kE5rt);
  EXPECT_THAT(run_relu(*e5rt, false).warnings, IsEmpty());
  const Timed timed = run_relu(*e5rt, true);
  EXPECT_EQ(timed.hardware_ms, std::nullopt);
  EXPECT_THAT(timed.warnings, ElementsAre(HasSubstr("no time on the hardware: e5rt has no call")));
  world().hide_class("_ANEPerformanceStats");
  const auto other = open(AneRouteChoice::kInMemory);
  EXPECT_THAT(run_relu(*other, true).warnings, ElementsAre(HasSubstr("no such class")));
}

TEST_F(AneHardware, NoOtherDeviceHasATimeOnTheHardware) {
  const auto twin = make_sim_device(find_chip("m4-max"), pool);
  EXPECT_EQ(run_relu(*twin, true).hardware_ms, std::nullopt);
  EXPECT_EQ(run_relu(*make_cpu_device(pool), true).hardware_ms, std::nullopt);
}

TEST_F(AneHardware, SelftestsOfItPassWithTheirFigures) {
  for (const AneRouteChoice route : {AneRouteChoice::kInMemory, AneRouteChoice::kAuto}) {
    const auto device = open(route);
    const Outcome stats = outcome(*device, "test_perf_stats");
    EXPECT_EQ(stats.verdict, Verdict::kPass) << stats.notes;
    EXPECT_THAT(stats.notes, AllOf(HasSubstr("0.123456 ms, wall "), HasSubstr("no time, wall ")));
    const Outcome sweep = outcome(*device, "test_qos_sweep");
    EXPECT_EQ(sweep.verdict, Verdict::kPass) << sweep.notes;
    EXPECT_THAT(sweep.notes, AllOf(HasSubstr("compile/load/run ms: 0: "), HasSubstr("; 63: ")));
    const Outcome advanced = outcome(*device, "test_ane_advanced");
    EXPECT_EQ(advanced.verdict, Verdict::kPass) << advanced.notes;
    EXPECT_THAT(advanced.notes, AllOf(HasSubstr("procedures: 0 to 15 run"), HasSubstr("code 15")));
  }
}

TEST_F(AneHardware, SelftestsOfItFailWhereItFails) {
  const auto device = open(AneRouteChoice::kInMemory);
  world().fail_next("evaluateWithQoS:options:request:error:", How::kZeros, 1);
  EXPECT_EQ(outcome(*device, "test_perf_stats").verdict, Verdict::kFail);
  world().fail_next("loadWithQoS:options:error:", How::kThrow);
  const Outcome sweep = outcome(*device, "test_qos_sweep");
  EXPECT_EQ(sweep.verdict, Verdict::kFail);
  EXPECT_THAT(sweep.notes, HasSubstr("0 FAILED: loadWithQoS:options:error:: the framework threw"));
  world().hide_class("_ANEPerformanceStats");
  EXPECT_EQ(outcome(*device, "test_perf_stats").verdict, Verdict::kFail);
  world().fail_next("compileWithQoS:options:error:", How::kFail);
  const Outcome advanced = outcome(*device, "test_ane_advanced");
  EXPECT_EQ(advanced.verdict, Verdict::kFail);
  EXPECT_THAT(advanced.notes, HasSubstr("refused it"));
}

TEST_F(AneHardware, ADriverThatGivesNoTimeIsNoFailureAndNoFigure) {
  world().options.statistics = fake_ane::Options::Statistics::kZero;
  const Outcome stats = outcome(*open(AneRouteChoice::kInMemory), "test_perf_stats");
  EXPECT_EQ(stats.verdict, Verdict::kPass);
  EXPECT_THAT(stats.notes, AllOf(HasSubstr("no time, wall "), Not(HasSubstr(": 0."))));
}

TEST_F(AneHardware, SelftestsOfItAreNotAskedWhereE5rtIsAllThatMayBeTried) {
  const auto device = open(AneRouteChoice::kE5rt);
  for (const char* name : kOfHardware) {
    const Outcome found = outcome(*device, name);
    EXPECT_EQ(found.verdict, Verdict::kNotApplicable) << name;
    EXPECT_THAT(found.notes, HasSubstr("--ane-route inmemory"));
  }
  EXPECT_EQ(world().count("compileWithQoS:options:error:"), 0);
}

TEST_F(AneHardware, SelftestsOfItPassOnNoOtherDevice) {
  const auto twin = make_sim_device(find_chip("m4-max"), pool);
  const auto cpu = make_cpu_device(pool);
  for (const char* name : kOfHardware) {
    EXPECT_EQ(outcome(*twin, name).verdict, Verdict::kNeedsHardware) << name;
    EXPECT_EQ(outcome(*cpu, name).verdict, Verdict::kNeedsHardware) << name;
  }
}

}  // namespace
}  // namespace anemone
