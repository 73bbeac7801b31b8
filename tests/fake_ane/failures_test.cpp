// Every function and method of both routes fails once, at each of its calls: that becomes an Error
// which names what failed, nothing is left behind (Machine looks), and nothing crashes.
#include <fmt/format.h>

#include <map>
#include <set>

#include "anemone/base/error.h"
#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

// What its Error says. Empty: the caller goes on, because nothing is lost or there is another way.
using Expectations = std::map<std::string, std::string>;

const Expectations& in_memory_expectations() {
  static const Expectations table = {
      {"objc_getClass", "no such class"},
      {"class_getClassMethod", "no such method"},
      {"class_getInstanceMethod", "no such method"},
      {"method_getTypeEncoding", "its type is not known"},
      {"sel_registerName", ""},
      {"objc_autoreleasePoolPush", ""},
      {"objc_autoreleasePoolPop", ""},
      {"objc_retain", ""},
      {"objc_release", ""},
      {"CFRelease", ""},
      {"CFStringCreateWithCString", "it made no string"},
      {"CFStringGetLength", "identifier"},
      {"CFStringGetMaximumSizeForEncoding", "identifier"},
      {"CFStringGetCString", "identifier"},
      {"CFDataCreate", "it made no data"},
      {"CFNumberCreate", "it made no number"},
      {"CFDictionaryCreate", "it made no dictionary"},
      {"CFArrayCreate", "it made no array"},
      {"IOSurfaceCreate", "IOSurface"},
      {"IOSurfaceLock", "cannot be locked: status -536870212"},
      {"IOSurfaceUnlock", "cannot be unlocked: status -536870212"},
      {"IOSurfaceGetBaseAddress", "it has no memory"},
      {"IOSurfaceGetAllocSize", "0 allocated"},
      {"modelWithMILText:weights:optionsPlist:", "descriptor"},
      {"inMemoryModelWithDescriptor:", "model"},
      {"hexStringIdentifier", "identifier"},
      {"compileWithQoS:options:error:", "refused it"},
      {"loadWithQoS:options:error:", ""},  // tried again
      {"evaluateWithQoS:options:request:error:", "the evaluation was refused"},
      {"unloadWithQoS:error:", ""},
      {"objectWithIOSurface:", "does not take a surface"},
      {"requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:"
       "procedureIndex:",
       "no request"}};
  return table;
}

// What runs without, because it is about statistics alone.
const std::set<std::string>& calls_for_statistics() {
  static const std::set<std::string> names = {"object_getClass",
                                              "numberWithBool:",
                                              "driverMaskForANEFMask:",
                                              "setPerfStatsMask:",
                                              "statsWithRequestPerformanceBuffer:statsBufferSize:",
                                              "setPerfStats:",
                                              "perfStats",
                                              "perfStatsArray",
                                              "count",
                                              "objectAtIndex:",
                                              "hwExecutionTime"};
  return names;
}

bool is_selector(const std::string& name) {
  return name.find(':') != std::string::npos || name == "hexStringIdentifier" ||
         (calls_for_statistics().contains(name) && name != "object_getClass");
}

bool is_e5(const std::string& name) { return name.starts_with("e5rt_"); }
bool is_release(const std::string& name) { return name.ends_with("_release"); }

bool hands_something_out(const std::string& name) {
  for (const char* part : {"_set_", "_release", "_bind_", "_encode_", "_execute_"}) {
    if (name.find(part) != std::string::npos) return false;
  }
  return true;
}

std::string expectation(const std::string& name, How how) {
  if (is_e5(name)) {
    return is_release(name) || name == "e5rt_program_library_create" ? "" : name;
  }
  if (calls_for_statistics().contains(name)) return "";
  const auto found = in_memory_expectations().find(name);
  if (found == in_memory_expectations().end()) {
    ADD_FAILURE() << "nothing is said of " << name;
    return "";
  }
  if (how == How::kThrow && name != "unloadWithQoS:error:") return name;
  return found->second;
}

// How a function can fail. Plain C functions do not throw; a method without a result can do nothing
// else.
std::vector<How> ways_of(const std::string& name) {
  if (name.starts_with("setPerfStats")) return {How::kThrow};
  if (is_e5(name)) {
    std::vector<How> ways = {How::kFail, How::kFailSilently, How::kThrow};
    if (hands_something_out(name)) ways.push_back(How::kNull);
    return ways;
  }
  if (is_selector(name)) return {How::kFail, How::kFailSilently, How::kThrow};
  return {How::kFail};
}

// What is used: a route, and whether programs ask for the time on the hardware.
struct Use {
  RouteKind kind;
  bool hardware_time = false;
};

// A machine that has the time in an array, the longest way to it.
void prepare(Machine& machine, const Use& use) {
  machine.hardware_time = use.hardware_time;
  world().options.statistics = Options::Statistics::kInArray;
}

// Two programs, the second like the first: it finds what the first left. Two requests.
void use_everything(Machine& machine) {
  TestProgram first = machine.compile(kWeighted);
  TestProgram second = machine.compile(kWeighted);
  const auto a = first.bind(), b = second.bind();
  for (const Tensor& y : {first.run(*a, {1})[0].clone(), second.run(*b, {1})[0].clone()}) {
    EXPECT_EQ(y.at(17), 2 * 18 + 1);
  }
}

// How often each function is called, and how often of that for the route alone.
std::map<std::string, std::pair<int, int>> count_calls(const Use& use) {
  std::map<std::string, std::pair<int, int>> counts;
  Machine machine(use.kind);
  prepare(machine, use);
  machine.route();
  for (const std::string& name : world().calls()) ++counts[name].second;
  use_everything(machine);
  machine.close();
  for (const std::string& name : world().calls()) ++counts[name].first;
  return counts;
}

// The text of the Error, empty for none.
std::string text_when_failing(const Use& use, const std::string& name, How how, int skip) {
  Machine machine(use.kind);
  prepare(machine, use);
  world().fail_next(name, how, skip);
  try {
    use_everything(machine);
  } catch (const Error& error) {
    return error.what();
  } catch (...) {
    ADD_FAILURE() << "something that is no Error came through";
  }
  return "";
}

void fail_each_call(const Use& use) {
  for (const auto& [name, counts] : count_calls(use)) {
    // Classes do not disappear once they were found.
    const int calls = name == "objc_getClass" ? counts.second : counts.first;
    for (const How how : ways_of(name)) {
      for (int skip = 0; skip < calls; ++skip) {
        SCOPED_TRACE(fmt::format("{}, call {}, way {}", name, skip, static_cast<int>(how)));
        const std::string text = text_when_failing(use, name, how, skip);
        const std::string wanted = expectation(name, how);
        // The same call for statistics is one that the program runs without.
        if (use.hardware_time && text.empty()) continue;
        EXPECT_EQ(text.empty(), wanted.empty()) << text;
        EXPECT_NE(text.find(wanted), std::string::npos) << text;
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(Failures, OfEveryFunctionOfE5rtAreErrorsThatNameIt) { fail_each_call({RouteKind::kE5rt}); }

TEST(Failures, OfEveryMethodAndFunctionOfTheInMemoryRouteAreErrorsThatNameIt) {
  fail_each_call({RouteKind::kInMemory});
}

TEST(Failures, OfStatisticsStopNoRunAndThoseBesideThemAreStillNamed) {
  fail_each_call({RouteKind::kInMemory, true});
}

TEST(Failures, AreTriedForEveryFunctionThatARouteCalls) {
  std::set<std::string> called;
  for (const Use& use : {Use{RouteKind::kE5rt}, Use{RouteKind::kInMemory, true}}) {
    for (const auto& entry : count_calls(use)) called.insert(entry.first);
  }
#define ANEMONE_CALLED(name, parameters) \
  EXPECT_TRUE(called.contains("e5rt_" #name)) << "no test calls e5rt_" #name;
  ANEMONE_E5RT_FUNCTIONS(ANEMONE_CALLED)
#undef ANEMONE_CALLED
  for (const AneMethod& method : kAneMethods) EXPECT_TRUE(called.contains(method.selector));
  for (const auto& entry : in_memory_expectations()) EXPECT_TRUE(called.contains(entry.first));
  for (const auto& name : calls_for_statistics()) EXPECT_TRUE(called.contains(name)) << name;
}

}  // namespace
}  // namespace anemone::fake_ane
