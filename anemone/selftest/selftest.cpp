#include "anemone/selftest/selftest.h"

#include "anemone/base/clock.h"
#include "anemone/base/nearest_name.h"
#include "anemone/selftest/families.h"

namespace anemone {

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "PASS";
    case Verdict::kFail:
      return "FAIL";
    case Verdict::kExpectedFail:
      return "FAIL (expected)";
    case Verdict::kNeedsHardware:
      return "needs hardware";
    case Verdict::kNotApplicable:
      return "not applicable";
  }
  return "";
}

std::span<const Selftest> all_selftests() {
  static const std::vector<Selftest> all = [] {
    std::vector<Selftest> tests;
    for (const auto family : {published_selftests(), engine_selftests(), hardware_selftests()}) {
      tests.insert(tests.end(), family.begin(), family.end());
    }
    return tests;
  }();
  return all;
}

const Selftest& find_selftest(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Selftest& test : all_selftests()) {
    if (test.name == name) return test;
    names.push_back(test.name);
  }
  const std::string meant = suggest(name, names);
  fail("--only", "there is no test '" + std::string(name) + "'",
       meant.empty() ? "`anemone selftest --list` names them" : meant);
}

SelftestResult run_selftest(const Selftest& test, Device& device) {
  SelftestResult result{std::string(test.name), std::string(test.expectation), {}, 0};
  const Stopwatch watch;
  try {
    result.outcome = test.run(device);
  } catch (const Error& error) {
    result.outcome = {Verdict::kFail, error.what()};
  }
  result.ms = watch.elapsed_ms();
  return result;
}

}  // namespace anemone
