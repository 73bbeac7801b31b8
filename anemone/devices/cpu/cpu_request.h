// A compiled function bound to memory: its kernels, one after another, or two at a time.
#pragma once

#include <vector>

#include "anemone/devices/cpu/cpu_buffer.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/cpu/kernel.h"

namespace anemone {

// One kernel with its operands' memory.
struct CpuStep {
  const Kernel* kernel;
  std::vector<TensorView> in, out;
  size_t record = 0;  // its number for the recorder
  // The buffer that it alone reads and adds to.
  CpuBuffer* sum = nullptr;
  // Whether it takes rows from the step before as they are done.
  bool is_epilogue = false;
  // Whether it packs the same operand as the last product before it.
  bool reuses_packed = false;
};

class CpuRequest final : public Request {
 public:
  // `read`: buffers of inputs that are no step's `sum`; `written`: of outputs that are no input.
  CpuRequest(ThreadPool& pool, const CpuOptions& options, std::byte* scratch,
             std::vector<CpuStep> steps, std::vector<CpuBuffer*> read,
             std::vector<CpuBuffer*> written);
  void run() override;

 private:
  KernelRun on_memory_of(const CpuStep& step);
  void run_step(const CpuStep& step);
  void run_with_epilogue(const CpuStep& step, const CpuStep& epilogue);

  ThreadPool& pool_;
  CpuOptions options_;
  std::byte* scratch_;
  std::vector<CpuStep> steps_;
  uint64_t b_version_ = 0;
  std::vector<CpuBuffer*> read_, written_;
};

}  // namespace anemone
