// What only a Neural Engine can answer: its device is asked, every other one says that it cannot
// be.
#include "anemone/devices/ane/ane_probes.h"
#include "anemone/selftest/families.h"

namespace anemone {
namespace {

using Ask = std::vector<ProbeAnswer> (AneProbes::*)();

// Passes unless something failed that works elsewhere; the notes hold every answer.
Outcome ask(Device& device, Ask question, const std::string& heading) {
  AneProbes* probes = device.probes();
  if (!probes && device.info().name == "ane") {
    return {Verdict::kNotApplicable, "only the other route has it: --ane-route inmemory"};
  }
  if (!probes) return {Verdict::kNeedsHardware, ""};
  Outcome outcome{Verdict::kPass, heading};
  const char* separator = heading.empty() ? "" : ": ";
  for (const ProbeAnswer& answer : (probes->*question)()) {
    const bool failed = answer.result == ProbeAnswer::Result::kFailed;
    if (failed) outcome.verdict = Verdict::kFail;
    outcome.notes += separator + answer.asked + (failed ? " FAILED: " : ": ") + answer.said;
    separator = "; ";
  }
  return outcome;
}

Outcome perf_stats(Device& device) {
  return ask(device, &AneProbes::statistics, "time on the hardware");
}

Outcome qos_sweep(Device& device) {
  return ask(device, &AneProbes::qualities_of_service, "compile/load/run ms");
}

Outcome ane_advanced(Device& device) { return ask(device, &AneProbes::advanced, ""); }

constexpr Selftest kTests[] = {
    {"test_perf_stats", "statistics are accessible", perf_stats},
    {"test_qos_sweep", "every quality of service works", qos_sweep},
    {"test_ane_advanced", "procedures run, chains do not", ane_advanced},
};

}  // namespace

std::span<const Selftest> hardware_selftests() { return kTests; }

}  // namespace anemone
