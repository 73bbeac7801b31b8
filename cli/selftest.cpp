// Asks a device questions whose answers are known.
#include "anemone/selftest/selftest.h"
#include "anemone/devices/all_devices.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  DeviceOptions device;
  std::vector<std::string> only;
  bool json = false, list = false;
};

std::vector<const Selftest*> chosen(const Options& o) {
  std::vector<const Selftest*> tests;
  for (const std::string& name : o.only) tests.push_back(&find_selftest(name));
  if (!tests.empty()) return tests;
  for (const Selftest& test : all_selftests()) tests.push_back(&test);
  return tests;
}

nlohmann::json to_json(const SelftestResult& result) {
  return {{"name", result.name},
          {"status", to_string(result.outcome.verdict)},
          {"expectation", result.expectation},
          {"notes", result.outcome.notes},
          {"wall_ms", result.ms}};
}

void list() {
  for (const Selftest& test : all_selftests()) {
    print(fmt::format("{:<20} {}\n", test.name, test.expectation));
  }
}

void run(const Options& o) {
  if (o.list) return list();
  const std::vector<const Selftest*> tests = chosen(o);
  ThreadPool pool(o.device.thread_count());
  DeviceSettings settings;
  settings.ane_route = o.device.ane_route;
  const auto device = make_device(o.device.device, pool, settings);
  const DeviceInfo& info = device->info();
  if (!o.json) {
    print(fmt::format("{}: {}\n", info.name, info.description));
    for (const std::string& note : info.notes) print(note + "\n");
  }
  nlohmann::json rows = nlohmann::json::array();
  int failed = 0;
  for (const Selftest* test : tests) {
    const SelftestResult result = run_selftest(*test, *device);
    failed += result.outcome.verdict == Verdict::kFail ? 1 : 0;
    rows.push_back(to_json(result));
    if (o.json) continue;
    print(fmt::format("{:<20} {:<16} {}{}{}\n", result.name, to_string(result.outcome.verdict),
                      result.expectation, result.outcome.notes.empty() ? "" : ": ",
                      result.outcome.notes));
  }
  if (o.json) {
    print_json({{"device", info.name},
                {"description", info.description},
                {"simulated", info.simulated},
                {"notes", info.notes},
                {"tests", rows},
                {"failed", failed}});
  }
  if (failed > 0) throw Finished{1};
}

}  // namespace

void add_selftest(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("selftest", "Whether a device computes and refuses what it should");
  auto o = std::make_shared<Options>();
  o->device.add_to(*command);
  command->add_option("--only", o->only, "Names of tests, see --list");
  command->add_flag("--list", o->list, "Names the tests and what they expect");
  command->add_flag("--json", o->json, "One JSON object");
  command->callback([o] { run(*o); });
}

}  // namespace anemone::cli
