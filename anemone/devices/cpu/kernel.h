// A kernel: one operation, prepared for its shapes, ready to run on memory.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "anemone/base/threads.h"
#include "anemone/ir/program.h"
#include "anemone/kernels/gemm.h"
#include "anemone/kernels/numbers.h"

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
  // For a product: see Gemm.
  RowsDone then = {};
  uint64_t b_version = 0;

  const float* input(size_t index) const { return static_cast<const float*>(in[index].data); }
  // Of a kernel that reads_bf16(index).
  Numbers operand(size_t index) const {
    if (in[index].dtype != DType::kBf16) return input(index);
    return static_cast<const BFloat16*>(in[index].data);
  }
  float* output(size_t index = 0) const { return static_cast<float*>(out[index].data); }
  float* scratch_floats() const { return reinterpret_cast<float*>(scratch); }
};

// Positions of operands and of outputs.
struct Positions {
  std::vector<size_t> operands = {}, outputs = {};
};

// What a kernel says that is nothing but one product: it heeds KernelRun::b_version, and calls
// KernelRun::then for the `rows` of its output unless they are 0.
struct Product {
  size_t packed;  // the operand that is B
  size_t rows = 0;
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

  // Rows of its outputs and of its operands of the same shape, if it can run on some of them at a
  // time, any number that is a multiple of two; else 0. It needs no scratch then.
  virtual size_t rows() const { return 0; }
  virtual void run_rows(const KernelRun& /*args*/, size_t /*first*/, size_t /*last*/) const {}

  const std::optional<Product>& product() const { return product_; }
  void be_product(const Product& product) { product_ = product; }

  // Whether it takes the memory of an fp32 operand, or output, in bf16 too.
  bool reads_bf16(size_t operand) const { return contains(bf16_.operands, operand); }
  bool writes_bf16(size_t output) const { return contains(bf16_.outputs, output); }
  void take_bf16(Positions positions) { bf16_ = std::move(positions); }

 private:
  static bool contains(const std::vector<size_t>& positions, size_t position) {
    return std::find(positions.begin(), positions.end(), position) != positions.end();
  }

  Positions bf16_;
  std::optional<Product> product_;
};

inline std::unique_ptr<Kernel> also_in_bf16(std::unique_ptr<Kernel> kernel, Positions positions) {
  kernel->take_bf16(std::move(positions));
  return kernel;
}

// (operand, output) pairs of Kernel::may_overwrite.
using Overwrites = std::vector<std::pair<size_t, size_t>>;

inline bool has_pair(const Overwrites& overwrites, size_t operand, size_t output) {
  return std::find(overwrites.begin(), overwrites.end(), std::pair(operand, output)) !=
         overwrites.end();
}

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
      return has_pair(overwrites_, operand, output);
    }

   private:
    Run run_;
    Overwrites overwrites_;
    size_t fixed_, per_thread_;
  };
  return std::make_unique<FunctionKernel>(std::move(run), std::move(overwrites), fixed_scratch,
                                          scratch_per_thread);
}

// Likewise, of body(args, first row, last row). `grain`: rows that are worth a thread.
template <typename Body>
std::unique_ptr<Kernel> row_kernel_of(size_t rows, size_t grain, Body body, Overwrites overwrites) {
  class RowKernel final : public Kernel {
   public:
    RowKernel(size_t rows, size_t grain, Body body, Overwrites overwrites)
        : rows_(rows), grain_(grain), body_(std::move(body)), overwrites_(std::move(overwrites)) {}
    void run(const KernelRun& args) const override {
      args.pool.parallel_for(rows_, grain_,
                             [&](size_t first, size_t last, int) { body_(args, first, last); });
    }
    size_t rows() const override { return rows_; }
    void run_rows(const KernelRun& args, size_t first, size_t last) const override {
      body_(args, first, last);
    }
    bool may_overwrite(size_t operand, size_t output) const override {
      return has_pair(overwrites_, operand, output);
    }

   private:
    size_t rows_, grain_;
    Body body_;
    Overwrites overwrites_;
  };
  return std::make_unique<RowKernel>(rows, grain, std::move(body), std::move(overwrites));
}

// Runs a kernel, and then `then(data, count)` over each of its fp32 results, in pieces on all
// threads.
template <typename Then>
std::unique_ptr<Kernel> over_results(std::unique_ptr<Kernel> kernel, Then then) {
  class OverResults final : public Kernel {
   public:
    OverResults(std::unique_ptr<Kernel> kernel, Then then)
        : kernel_(std::move(kernel)), then_(std::move(then)) {}
    void run(const KernelRun& args) const override {
      constexpr size_t kGrain = 1 << 14;
      kernel_->run(args);
      for (const TensorView& out : args.out) {
        if (out.dtype != DType::kFp32) continue;
        float* data = static_cast<float*>(out.data);
        args.pool.parallel_for(
            static_cast<size_t>(out.size()), kGrain,
            [&](size_t begin, size_t end, int) { then_(data + begin, end - begin); });
      }
    }
    size_t scratch_bytes(int threads) const override { return kernel_->scratch_bytes(threads); }
    bool may_overwrite(size_t operand, size_t output) const override {
      return kernel_->may_overwrite(operand, output);
    }

   private:
    std::unique_ptr<Kernel> kernel_;
    Then then_;
  };
  return std::make_unique<OverResults>(std::move(kernel), std::move(then));
}

// The fastest kernel there is for the operation: one of ours, else the reference kernel.
std::unique_ptr<Kernel> make_kernel(const Operation& op);
// A fast kernel, or null.
std::unique_ptr<Kernel> make_fast_kernel(const Operation& op);

}  // namespace anemone
