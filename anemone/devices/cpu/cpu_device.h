// The CPU as a device: runs any function of the registered operations, fast where it has a kernel.
#pragma once

#include <memory>

#include "anemone/base/threads.h"
#include "anemone/devices/device.h"

namespace anemone {

// The pool must outlive the device and what it compiles.
std::unique_ptr<Device> make_cpu_device(ThreadPool& pool);

}  // namespace anemone
