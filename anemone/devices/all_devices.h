// Every device by name. The one place that knows them all.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "anemone/base/threads.h"
#include "anemone/devices/device.h"

namespace anemone {

// Throws Error(kInvalidInput) for an unknown name, Error(kUnavailable) for a device that this
// machine lacks. The pool must outlive the device.
std::unique_ptr<Device> make_device(const std::string& name, ThreadPool& pool);

std::vector<DeviceInfo> list_devices(ThreadPool& pool);

}  // namespace anemone
