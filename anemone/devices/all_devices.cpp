#include "anemone/devices/all_devices.h"

#include "anemone/devices/cpu/cpu_device.h"

namespace anemone {

std::unique_ptr<Device> make_device(const std::string& name, ThreadPool& pool) {
  if (name == "cpu") return make_cpu_device(pool);
  fail("--device " + name, "there is no such device", "`anemone devices` lists them");
}

std::vector<DeviceInfo> list_devices(ThreadPool& pool) { return {make_cpu_device(pool)->info()}; }

}  // namespace anemone
