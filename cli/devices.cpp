#include "anemone/devices/all_devices.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

void list(bool json, const std::string& ane_route) {
  ThreadPool pool(hardware_threads());
  nlohmann::json rows = nlohmann::json::array();
  for (const DeviceInfo& info : list_devices(pool, {.ane_route = ane_route})) {
    rows.push_back({{"name", info.name},
                    {"description", info.description},
                    {"simulated", info.simulated},
                    {"peak_tflops", info.peak_tflops},
                    {"available", info.unavailable.empty()},
                    {"unavailable", info.unavailable},
                    {"notes", info.notes},
                    {"threads", info.threads}});
    if (!json) {
      const std::string threads = info.threads > 0 ? fmt::format(", {} threads", info.threads) : "";
      print(fmt::format(
          "{:<14} {}{}\n", info.name,
          info.unavailable.empty() ? info.description : "unavailable: " + info.unavailable,
          threads));
      for (const std::string& note : info.notes) print(fmt::format("{:<14} {}\n", "", note));
    }
  }
  if (json) print_json({{"devices", rows}});
}

}  // namespace

void add_devices(CLI::App& app) {
  CLI::App* command = app.add_subcommand("devices", "List the devices of this machine");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "One JSON object");
  auto ane_route = std::make_shared<std::string>("auto");
  command->add_option("--ane-route", *ane_route, "To the Neural Engine: auto, e5rt or inmemory")
      ->capture_default_str();
  command->callback([json, ane_route] { list(*json, *ane_route); });
}

}  // namespace anemone::cli
