#include "anemone/devices/all_devices.h"

#include "anemone/base/file.h"
#include "anemone/devices/ane/ane_device.h"
#include "anemone/devices/ane_spec/chip.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/null/null_device.h"
#include "anemone/devices/sim/sim_device.h"

namespace anemone {
namespace {

constexpr std::string_view kSimulated = "sim:";

CpuOptions cpu_options(const DeviceSettings& settings) {
  return {settings.bf16, settings.recorder};
}

AneOptions ane_options(const DeviceSettings& settings) {
  AneOptions options;
  options.route = parse_ane_route(settings.ane_route);
  options.strict = settings.strict;
  return options;
}

}  // namespace

std::unique_ptr<Device> make_device(const std::string& name, ThreadPool& pool,
                                    const DeviceSettings& settings) {
  if (name == "cpu") return make_cpu_device(pool, cpu_options(settings));
  if (settings.bf16) fail("--dtype bf16", name + " has a type of its own", "--device cpu");
  if (name == "ane") return make_ane_device(ane_options(settings));
  if (name.starts_with(kSimulated)) {
    SimOptions options;
    options.values = settings.values;
    options.strict = settings.strict;
    const std::string chip = name.substr(kSimulated.size());
    if (settings.chips.empty()) return make_sim_device(find_chip(chip), pool, options);
    const std::vector<Chip> table = parse_chips(read_file(settings.chips), settings.chips);
    return make_sim_device(find_chip(chip, table), pool, options);
  }
  fail("--device " + name, "there is no such device", "`anemone devices` lists them");
}

std::unique_ptr<Device> make_host(Device& device, ThreadPool& pool,
                                  const DeviceSettings& settings) {
  const Simulation* simulation = device.simulation();
  return simulation && !simulation->values() ? make_null_device()
                                             : make_cpu_device(pool, cpu_options(settings));
}

std::vector<DeviceInfo> list_devices(ThreadPool& pool, const DeviceSettings& settings) {
  const AneOptions ane = ane_options(settings);
  std::vector<DeviceInfo> infos = {make_cpu_device(pool)->info()};
  try {
    infos.push_back(make_ane_device(ane)->info());
  } catch (const Error& error) {
    infos.push_back(
        {.name = "ane", .description = "Neural Engine", .unavailable = error.message()});
  }
  for (const Chip& chip : all_chips()) infos.push_back(make_sim_device(chip, pool)->info());
  return infos;
}

}  // namespace anemone
