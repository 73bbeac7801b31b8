#include "anemone/devices/sim/numerics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "anemone/devices/sim/grid_kernels.h"
#include "anemone/kernels/half_numerics.h"
#include "anemone/ops/op_args.h"

namespace anemone {
namespace {

constexpr float kCeiling = 32768, kWidthCeiling = 4094;
constexpr size_t kGrain = 1 << 14;

// Runs a kernel, and then something over each of its float results.
template <typename Then>
std::unique_ptr<Kernel> followed_by(std::unique_ptr<Kernel> kernel, Then then) {
  class Followed final : public Kernel {
   public:
    Followed(std::unique_ptr<Kernel> kernel, Then then)
        : kernel_(std::move(kernel)), then_(std::move(then)) {}
    void run(const KernelRun& args) const override {
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
  return std::make_unique<Followed>(std::move(kernel), std::move(then));
}

// Products added up: those whose output port overflows early. One tap is exempt.
bool sums_products(const Operation& op) {
  const OpArgs args(op);
  if (op.type == "matmul" || op.type == "linear") return true;
  if (op.type != "conv" && op.type != "conv_transpose") return false;
  const Shape& weight = args.shape("weight");
  return element_count(weight) / weight[0] > 1;
}

// A slice along the last axis that does not begin at 0.
bool slices_width(const Operation& op) {
  if (op.type != "slice_by_size" && op.type != "slice_by_index") return false;
  const std::vector<int64_t> begin = OpArgs(op).integers("begin");
  return !begin.empty() && begin.back() != 0;
}

bool has_short_inner(const Operation& op) {
  if (op.type != "matmul") return false;
  const OpArgs args(op);
  const Shape& x = args.shape("x");
  const int64_t inner =
      args.boolean("transpose_x", false) && x.size() > 1 ? x[x.size() - 2] : x.back();
  return inner % 32 != 0;
}

std::unique_ptr<Kernel> zeros() {
  return kernel_of([](const KernelRun& run) {
    std::fill_n(run.output(), static_cast<size_t>(run.out[0].size()), 0.0f);
  });
}

}  // namespace

std::unique_ptr<Kernel> make_sim_kernel(const Operation& op, const Chip& chip,
                                        const Numerics& numerics) {
  const bool old = chip.family <= AneFamily::kH14;
  if (numerics.short_inner && chip.family == AneFamily::kH13 && has_short_inner(op)) return zeros();
  std::unique_ptr<Kernel> kernel;
  if (numerics.product_grid) kernel = make_grid_kernel(op);
  if (!kernel) kernel = make_kernel(op);
  simd::Finish how{.round = numerics.fp16, .nan_to_zero = numerics.no_nan, .ceiling = 0};
  if (numerics.ceiling && sums_products(op)) how.ceiling = kCeiling;
  if (numerics.width_slices && old && slices_width(op)) {
    how.ceiling = std::nextafter(kWidthCeiling, std::numeric_limits<float>::infinity());
  }
  return followed_by(std::move(kernel), [how](float* x, size_t n) { simd::finish(x, n, how); });
}

}  // namespace anemone
