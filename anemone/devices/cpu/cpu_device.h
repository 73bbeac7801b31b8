// The CPU as a device: runs any function of the registered operations, fast where it has a kernel.
#pragma once

#include <memory>

#include "anemone/devices/device.h"

namespace anemone {

// `threads` 0 takes all that the machine has.
std::unique_ptr<Device> make_cpu_device(int threads = 0);

class ThreadPool;
// The pool of a CPU device, for host work beside its programs (the optimizer). Null for others.
ThreadPool* thread_pool_of(Device& device);

}  // namespace anemone
