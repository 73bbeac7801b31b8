// The probes: what they find where everything is there, and that nothing which is missing, fails or
// computes wrongly is more than an answer.
#include <gmock/gmock.h>

#include <map>

#include "anemone/devices/ane/in_memory_probes.h"
#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

using Result = ProbeAnswer::Result;
using Answers = std::vector<ProbeAnswer>;
using testing::AnyOf;
using testing::Each;
using testing::Field;
using testing::HasSubstr;
using testing::SizeIs;

class Probes : public testing::TestWithParam<bool> {
 protected:
  explicit Probes(bool libraries) : machine(RouteKind::kInMemory, libraries) {
    world().options.every_quality = true;
  }
  Probes() : Probes(GetParam()) {}

  std::unique_ptr<AneProbes> make() {
    return make_in_memory_probes(
        {*machine.frameworks().in_memory, machine.temporary(), machine.gate(), machine.dialect});
  }
  static const ProbeAnswer& find(const Answers& answers, const std::string& asked) {
    for (const ProbeAnswer& answer : answers) {
      if (answer.asked == asked) return answer;
    }
    ADD_FAILURE() << "nobody asked " << asked;
    return answers.front();
  }
  // A new process, with everything as at first.
  void restart() {
    Options options = world().options;
    world().reset(options);
    machine.set_budget(119);
  }

  Machine machine;
};

TEST_P(Probes, FindTheTimeOnTheHardwareWhereMaskAndOptionsAskForIt) {
  const Answers answers = make()->statistics();
  ASSERT_THAT(answers, SizeIs(6));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(answers[i].result, Result::kWorked) << answers[i].said;
    EXPECT_THAT(answers[i].said, HasSubstr("0.123456 ms, wall "));
  }
  for (size_t i = 4; i < 6; ++i) {
    EXPECT_EQ(answers[i].result, Result::kNoEffect);
    EXPECT_THAT(answers[i].said, HasSubstr("no time, wall "));
  }
  EXPECT_EQ(world().compiles, 1);
}

TEST_P(Probes, SayWhatIsMissingForStatistics) {
  world().change_method("statsWithReconstructed:hardwareExecutionNS:aneStatsRawData:", nullptr);
  Answers answers = make()->statistics();
  EXPECT_EQ(answers[0].result, Result::kWorked);
  EXPECT_EQ(answers[2].result, Result::kNoEffect);
  EXPECT_THAT(answers[2].said, HasSubstr("no such method"));
  world().hide_class("_ANEPerformanceStats");
  answers = make()->statistics();
  EXPECT_EQ(answers[0].result, Result::kFailed);
  EXPECT_THAT(answers[0].said, HasSubstr("no such class"));
}

TEST_P(Probes, RunAProgramAtEveryPublishedQualityOfService) {
  const Answers answers = make()->qualities_of_service();
  EXPECT_THAT(answers, SizeIs(17));
  EXPECT_THAT(answers, Each(Field(&ProbeAnswer::result, Result::kWorked)));
  EXPECT_EQ(world().compiles, 17);
  for (const uint32_t qos :
       {0u, 1u, 5u, 10u, 15u, 17u, 19u, 21u, 25u, 31u, 33u, 40u, 47u, 50u, 55u, 60u, 63u}) {
    // Compiled, loaded, evaluated once and 15 times more, unloaded.
    EXPECT_EQ(std::count(world().qualities.begin(), world().qualities.end(), qos), 19) << qos;
  }
}

TEST_P(Probes, SayAtWhichQualityWhatFailed) {
  world().fail_next("compileWithQoS:options:error:", How::kFail, 2);
  world().fail_next("evaluateWithQoS:options:request:error:", How::kZeros);
  const Answers answers = make()->qualities_of_service();
  EXPECT_THAT(find(answers, "0").said, HasSubstr("came out as 0"));
  EXPECT_THAT(find(answers, "5").said, HasSubstr("refused it"));
  EXPECT_EQ(find(answers, "0").result, Result::kFailed);
  EXPECT_EQ(find(answers, "5").result, Result::kFailed);
  EXPECT_EQ(find(answers, "1").result, Result::kWorked);
}

TEST_P(Probes, FindOfTheAdvancedWhatPublishedProjectsFound) {
  const Answers answers = make()->advanced();
  EXPECT_THAT(find(answers, "classes").said, HasSubstr("all 12"));
  EXPECT_EQ(find(answers, "weights buffer").said, "the baked weights stay");
  EXPECT_EQ(find(answers, "procedures").said, "0 to 15 run");
  EXPECT_THAT(find(answers, "direct evaluation").said, HasSubstr(" ms against "));
  EXPECT_THAT(find(answers, "real time").said, HasSubstr("ms, without a real-time task"));
  EXPECT_EQ(find(answers, "virtual client").said, "there is none");
  EXPECT_THAT(find(answers, "chaining").said, HasSubstr("not prepared: code 15"));
  EXPECT_THAT(find(answers, "shared events").said, HasSubstr("not asked"));
}

TEST_P(Probes, TellWhatIsMissingFromWhatIsWrong) {
  world().hide_class("_ANEWeight");
  world().hide_class("_ANEClient");
  world().fail_next("evaluateWithQoS:options:request:error:", How::kFail, 5);
  const Answers answers = make()->advanced();
  EXPECT_THAT(find(answers, "classes").said, HasSubstr("no _ANEClient, _ANEWeight"));
  EXPECT_EQ(find(answers, "chaining").result, Result::kNoEffect);
  EXPECT_THAT(find(answers, "real time").said, HasSubstr("no such class"));
  EXPECT_EQ(find(answers, "procedures").result, Result::kFailed);
  EXPECT_THAT(find(answers, "procedures").said, HasSubstr("4: code 1"));
}

INSTANTIATE_TEST_SUITE_P(Fake, Probes, testing::Values(false, true), [](const auto& libraries) {
  return libraries.param ? "Libraries" : "Tables";
});

class ProbesFail : public Probes {
 protected:
  ProbesFail() : Probes(false) {}

  using Ask = Answers (AneProbes::*)();
  std::map<std::string, int> count_calls(Ask ask) {
    restart();
    (make().get()->*ask)();
    std::map<std::string, int> counts;
    for (const std::string& name : world().calls()) ++counts[name];
    return counts;
  }
  // Only Errors may come out, and the destructor of the machine looks for what is left.
  void fail_once(Ask ask, const std::string& name, How how, int skip) {
    SCOPED_TRACE(name + ", call " + std::to_string(skip));
    restart();
    world().fail_next(name, how, skip);
    try {
      const auto probes = make();
      for (const ProbeAnswer& answer : (probes.get()->*ask)()) {
        EXPECT_NE(answer.asked, "") << answer.said;
      }
    } catch (const Error&) {
    } catch (...) {
      ADD_FAILURE() << "something that is no Error came through";
    }
    EXPECT_EQ(world().leaks(), "");
    EXPECT_EQ(world().violations(), std::vector<std::string>{});
    EXPECT_EQ(world().loaded, 0);
  }
  // Fails some of the calls of one function, spread over all of them.
  void fail_some(Ask ask, const std::string& name, int calls, How how) {
    // Classes do not disappear once they were found.
    if (name == "objc_getClass") calls = static_cast<int>(std::size(kAneMethods));
    const int tries = std::min(calls, 8);
    for (int i = 0; i < tries; ++i) fail_once(ask, name, how, i * calls / tries);
  }
};

// Of a class of Objective-C, not a function of C: those alone throw.
bool is_method(const std::string& name) {
  for (const char* prefix : {"objc_", "object_", "class_", "sel_", "method_", "CF", "IOSurface"}) {
    if (name.starts_with(prefix)) return false;
  }
  return true;
}

TEST_F(ProbesFail, InEveryOneOfTheirCallsWithoutLeavingAnythingBehind) {
  for (const Ask ask : {&AneProbes::statistics, &AneProbes::advanced}) {
    for (const auto& [name, calls] : count_calls(ask)) {
      std::vector<How> ways = {How::kFail};
      if (is_method(name)) ways = {How::kFail, How::kFailSilently, How::kThrow};
      if (name.starts_with("setPerfStats")) ways = {How::kThrow};  // it has no result
      for (const How how : ways) {
        fail_some(ask, name, calls, how);
        if (HasFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace anemone::fake_ane
