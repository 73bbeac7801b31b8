// Every device by name. The one place that knows them all.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "anemone/base/threads.h"
#include "anemone/devices/device.h"

namespace anemone {

class OpRecorder;

// What can be asked of devices; one to which a setting means nothing ignores it.
struct DeviceSettings {
  bool values = true;              // sim: compute, not only predict
  bool strict = false;             // sim: what the hardware silently gets wrong is an error
  std::string ane_route = "auto";  // ane: auto, e5rt or inmemory
  OpRecorder* recorder = nullptr;  // cpu: hears of every operation
  bool bf16 = false;               // cpu: operands of matrix products rounded to bf16
  std::string chips = {};          // sim: a table of chips instead of the one that is built in
};

// Throws Error(kInvalidInput) for an unknown name, Error(kUnavailable) for a device that this
// machine lacks. The pool must outlive the device.
std::unique_ptr<Device> make_device(const std::string& name, ThreadPool& pool,
                                    const DeviceSettings& settings = {});

// The host beside `device`: the CPU, in fp32 if it is not the device itself, or nothing at all
// where the device computes nothing.
std::unique_ptr<Device> make_host(Device& device, ThreadPool& pool,
                                  const DeviceSettings& settings = {});

// All there are; one that this machine lacks says why.
std::vector<DeviceInfo> list_devices(ThreadPool& pool, const DeviceSettings& settings = {});

}  // namespace anemone
