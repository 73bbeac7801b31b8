// A kernel: one operation, prepared for its shapes, ready to run on memory.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "anemone/base/threads.h"
#include "anemone/ir/program.h"

namespace anemone {

// What a kernel gets for one run. Operands are in the order of the operation's arguments, tuples
// flattened; `scratch` has the size that the kernel asked for.
struct KernelRun {
  ThreadPool& pool;
  std::byte* scratch;
  std::span<const TensorView> in, out;
  bool bf16 = false;  // operands of matrix products are rounded to it
  // Operand 0 counts as zeros, whatever is there: only for kernels that add_to_operand_0().
  bool from_zero = false;

  const float* input(size_t index) const { return static_cast<const float*>(in[index].data); }
  float* output(size_t index = 0) const { return static_cast<float*>(out[index].data); }
  float* scratch_floats() const { return reinterpret_cast<float*>(scratch); }
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // Fast kernels allocate nothing.
  virtual void run(const KernelRun& args) const = 0;
  virtual size_t scratch_bytes(int /*threads*/) const { return 0; }
  // Whether it adds to operand 0 and nothing else is done with it.
  virtual bool adds_to_operand_0() const { return false; }
  // Whether `output` may be written over `operand`, which nobody reads afterwards.
  virtual bool may_overwrite(size_t /*operand*/, size_t /*output*/) const { return false; }
};

// (operand, output) pairs of Kernel::may_overwrite.
using Overwrites = std::vector<std::pair<size_t, size_t>>;

// A kernel made of a function and its properties.
template <bool kAddsToOperand0 = false, typename Run>
std::unique_ptr<Kernel> kernel_of(Run run, Overwrites overwrites = {}, size_t fixed_scratch = 0,
                                  size_t scratch_per_thread = 0) {
  class FunctionKernel final : public Kernel {
   public:
    FunctionKernel(Run run, Overwrites overwrites, size_t fixed, size_t per_thread)
        : run_(std::move(run)),
          overwrites_(std::move(overwrites)),
          fixed_(fixed),
          per_thread_(per_thread) {}
    void run(const KernelRun& args) const override { run_(args); }
    bool adds_to_operand_0() const override { return kAddsToOperand0; }
    size_t scratch_bytes(int threads) const override {
      return fixed_ + per_thread_ * static_cast<size_t>(threads);
    }
    bool may_overwrite(size_t operand, size_t output) const override {
      for (const auto& pair : overwrites_) {
        if (pair == std::pair(operand, output)) return true;
      }
      return false;
    }

   private:
    Run run_;
    Overwrites overwrites_;
    size_t fixed_, per_thread_;
  };
  return std::make_unique<FunctionKernel>(std::move(run), std::move(overwrites), fixed_scratch,
                                          scratch_per_thread);
}

// The fastest kernel there is for the operation: one of ours, else the reference kernel.
std::unique_ptr<Kernel> make_kernel(const Operation& op);
// A fast kernel, or null.
std::unique_ptr<Kernel> make_fast_kernel(const Operation& op);

}  // namespace anemone
