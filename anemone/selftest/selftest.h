// Questions to a device whose answers are known: does it compute what it should, and does it refuse
// what the Neural Engine refuses? Names that begin with test_, inmem_ and sram_ are those of the
// published suite.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/devices/device.h"

namespace anemone {

enum class Verdict : uint8_t {
  kPass,
  kFail,
  kExpectedFail,   // fails on every such device, and should
  kNeedsHardware,  // only a real Neural Engine can answer
  kNotApplicable,  // says nothing about this kind of device
};
const char* to_string(Verdict verdict);  // "PASS", "FAIL", "FAIL (expected)", "needs hardware", …

struct Outcome {
  Verdict verdict = Verdict::kPass;
  std::string notes;  // figures; what is wrong
};

struct Selftest {
  std::string_view name, expectation;
  Outcome (*run)(Device& device);
};

// In the order in which they should run: last the ones that use up a budget, and that call what
// programs leave alone.
std::span<const Selftest> all_selftests();

struct SelftestResult {
  std::string name, expectation;
  Outcome outcome;
  double ms = 0;  // wall clock
};

// Runs one; an Error of the device is a failure with its message as the note.
SelftestResult run_selftest(const Selftest& test, Device& device);

// Throws Error(kInvalidInput) for an unknown name.
const Selftest& find_selftest(std::string_view name);

}  // namespace anemone
