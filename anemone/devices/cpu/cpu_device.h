// The CPU as a device: runs any function of the registered operations, fast where it has a kernel.
#pragma once

#include <memory>

#include "anemone/base/threads.h"
#include "anemone/devices/cpu/op_recorder.h"
#include "anemone/devices/device.h"

namespace anemone {

struct CpuOptions {
  // Operands of matrix products rounded to bf16, products, sums and everything else in fp32.
  bool bf16 = false;
  OpRecorder* recorder = nullptr;  // must outlive the programs
};

// The pool must outlive the device and what it compiles.
std::unique_ptr<Device> make_cpu_device(ThreadPool& pool, const CpuOptions& options = {});

}  // namespace anemone
