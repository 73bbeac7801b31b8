// The time of a run on the hardware: asked for only where somebody wants it, given only where the
// driver gives it, and never a reason for a run to fail.
#include <gmock/gmock.h>

#include "anemone/devices/ane/perf_stats.h"
#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

using testing::HasSubstr;
using Form = Options::Statistics;

constexpr double kFakeMs = 0.123456;

class Statistics : public testing::TestWithParam<bool> {
 protected:
  Statistics() { machine.hardware_time = true; }

  // Runs 2x + 1 of 3 and looks at the result; the time on the hardware.
  std::optional<double> time_of(TestProgram& program, TestProgram::Bound& bound) {
    EXPECT_EQ(program.run(bound, {3})[0].at(0), 7);
    return bound.request->hardware_ms();
  }
  std::optional<double> time_of_a_run() {
    TestProgram program = machine.compile(kSimple);
    problem = program.hardware_time_problem();
    return time_of(program, *program.bind());
  }

  Machine machine{RouteKind::kInMemory, GetParam()};
  std::string problem;
};

TEST_P(Statistics, AreLeftAloneUnlessSomebodyWantsThem) {
  machine.hardware_time = false;
  EXPECT_EQ(time_of_a_run(), std::nullopt);
  for (const char* name : {"setPerfStatsMask:", "setPerfStats:", "perfStats", "hwExecutionTime"}) {
    EXPECT_EQ(world().count(name), 0) << name;
  }
}

TEST_P(Statistics, GiveTheTimeOfARunOnTheHardware) {
  EXPECT_NEAR(time_of_a_run().value(), kFakeMs, 1e-9);
  EXPECT_EQ(problem, "");
}

TEST_P(Statistics, GiveTheTimeFromAnArrayAsWell) {
  world().options.statistics = Form::kInArray;
  EXPECT_NEAR(time_of_a_run().value(), kFakeMs, 1e-9);
}

TEST_P(Statistics, NeedNoObjectOfOurs) {
  world().options.object_of_empty_buffer = false;
  EXPECT_NEAR(time_of_a_run().value(), kFakeMs, 1e-9);
}

TEST_P(Statistics, ThatAreNotThereOrZeroOrSomethingElseAreNoTime) {
  for (const Form form : {Form::kUntouched, Form::kNil, Form::kZero, Form::kOtherClass}) {
    world().options.statistics = form;
    EXPECT_EQ(time_of_a_run(), std::nullopt) << static_cast<int>(form);
  }
}

TEST_P(Statistics, OfOneRunAreNotTakenForThoseOfTheNext) {
  TestProgram program = machine.compile(kSimple);
  const auto bound = program.bind();
  EXPECT_EQ(bound->request->hardware_ms(), std::nullopt);
  EXPECT_TRUE(time_of(program, *bound));
  world().options.statistics = Form::kUntouched;
  EXPECT_EQ(time_of(program, *bound), std::nullopt);
  world().options.statistics = Form::kOfRequest;
  world().options.hardware_ns = 5000000;
  EXPECT_NEAR(time_of(program, *bound).value(), 5, 1e-9);
  world().fail_next("evaluateWithQoS:options:request:error:", How::kFail);
  EXPECT_EQ(time_of(program, *bound), std::nullopt);
}

TEST_P(Statistics, ThatThisSystemLacksAreNamedAndTheProgramRunsWithout) {
  for (const char* selector :
       {"statsWithRequestPerformanceBuffer:statsBufferSize:", "driverMaskForANEFMask:",
        "hwExecutionTime", "setPerfStatsMask:", "perfStats", "setPerfStats:", "numberWithBool:"}) {
    world().change_method(selector, nullptr);
    EXPECT_EQ(time_of_a_run(), std::nullopt) << selector;
    EXPECT_THAT(problem, HasSubstr(std::string(selector) + "]: this system has no such method"));
    world().change_method(selector, "v24@0:8q16");
    EXPECT_EQ(time_of_a_run(), std::nullopt) << selector;
    EXPECT_THAT(problem, HasSubstr("its type is v24@0:8q16"));
    world().reset(world().options);
  }
  world().hide_class("_ANEPerformanceStats");
  EXPECT_EQ(time_of_a_run(), std::nullopt);
  EXPECT_THAT(problem, HasSubstr("this system has no such class"));
}

TEST_P(Statistics, TakeTheTypeOfTheBufferInBothWaysInWhichSystemsWriteIt) {
  world().change_method("statsWithRequestPerformanceBuffer:statsBufferSize:", "@32@0:8^v16^I24");
  EXPECT_TRUE(time_of_a_run());
}

TEST_P(Statistics, WhoseLoadOptionsAreRefusedAreGivenUp) {
  world().options.load_options_fail = true;
  EXPECT_EQ(time_of_a_run(), std::nullopt);
  EXPECT_THAT(problem, HasSubstr("these options are unknown"));
  EXPECT_EQ(world().count("setPerfStatsMask:"), 2);  // the second takes it back
  EXPECT_EQ(world().count("loadWithQoS:options:error:"), 3);
}

TEST_P(Statistics, WithoutAMaskOfTheDriversAreGivenUp) {
  world().fail_next("driverMaskForANEFMask:", How::kFail);
  EXPECT_EQ(time_of_a_run(), std::nullopt);
  EXPECT_THAT(problem, HasSubstr("the driver has no mask"));
}

TEST_P(Statistics, DoNotHideThatAnEvaluationFails) {
  TestProgram program = machine.compile(kSimple, "narrow");
  const Type type = Type::tensor(DType::kFp16, {1, 4, 1, 16});
  const auto small = machine.route().allocate(type, 16384);
  const auto request = program.bind_to(small.get(), small.get());
  EXPECT_THAT(error_text([&] { request->run(); }), HasSubstr("narrow: the evaluation was refused"));
  EXPECT_EQ(request->hardware_ms(), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Fake, Statistics, testing::Values(false, true), [](const auto& libraries) {
  return libraries.param ? "Libraries" : "Tables";
});

TEST(StatisticsOfE5rt, AreNoneAndTheReasonNamesTheOtherRoute) {
  Machine machine(RouteKind::kE5rt);
  machine.hardware_time = true;
  TestProgram program = machine.compile(kSimple);
  const auto bound = program.bind();
  EXPECT_EQ(program.run(*bound, {3})[0].at(0), 7);
  EXPECT_EQ(bound->request->hardware_ms(), std::nullopt);
  EXPECT_THAT(program.hardware_time_problem(), HasSubstr("--ane-route inmemory"));
}

}  // namespace
}  // namespace anemone::fake_ane
