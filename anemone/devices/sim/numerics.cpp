#include "anemone/devices/sim/numerics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "anemone/devices/sim/grid_kernels.h"
#include "anemone/kernels/half_numerics.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

constexpr float kCeiling = 32768, kWidthCeiling = 4094;
constexpr float kNone = std::numeric_limits<float>::infinity();
constexpr size_t kGrain = 1 << 14;

// Products added up: those whose results overflow early. One tap is exempt.
bool sums_products(const Operation& op) {
  if (!is_convolution(op)) return is_product(op);
  const OpArgs args(op);
  const Shape& weight = args.shape("weight");
  const int64_t others = is_conv_transpose(op) ? weight[1] * args.integer("groups", 1) : weight[0];
  return element_count(weight) / others > 1;
}

bool breaks(std::string_view rule, const Operation& op, std::span<const Finding> wrong) {
  return std::any_of(wrong.begin(), wrong.end(), [&](const Finding& finding) {
    return finding.rule->id == rule && finding.violation.op == &op;
  });
}

// Softmax where an infinite lane gets everything, and not inf - inf: its input is copied with large
// numbers in the place of infinities.
class SoftmaxOfInfinities final : public Kernel {
 public:
  explicit SoftmaxOfInfinities(const Operation& op)
      : kernel_(make_kernel(op)), bytes_(op.outputs[0]->type.bytes()) {
    bytes_ = (bytes_ + kAlignment - 1) / kAlignment * kAlignment;
  }
  void run(const KernelRun& args) const override {
    float* copy = args.scratch_floats();
    const auto size = static_cast<size_t>(args.out[0].size());
    args.pool.parallel_for(size, kGrain, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) copy[i] = std::min(args.input(0)[i], kLarge);
    });
    std::vector<TensorView> in(args.in.begin(), args.in.end());
    in[0].data = copy;
    kernel_->run({args.pool, args.scratch + bytes_, in, args.out});
  }
  size_t scratch_bytes(int threads) const override {
    return bytes_ + kernel_->scratch_bytes(threads);
  }

 private:
  static constexpr float kLarge = 1e30f;
  std::unique_ptr<Kernel> kernel_;
  size_t bytes_;
};

std::unique_ptr<Kernel> zeros() {
  return kernel_of([](const KernelRun& run) {
    std::fill_n(run.output(), static_cast<size_t>(run.out[0].size()), 0.0f);
  });
}

}  // namespace

std::unique_ptr<Kernel> make_sim_kernel(const Operation& op, std::span<const Finding> wrong,
                                        const Numerics& numerics) {
  if (numerics.short_inner && breaks("ane.c15", op, wrong)) return zeros();
  simd::Finish how{.round = numerics.fp16, .nan_to_zero = numerics.no_nan, .ceiling = 0};
  if (numerics.ceiling && sums_products(op)) how.ceiling = kCeiling;
  if (numerics.width_slices && breaks("ane.c42", op, wrong)) {
    how.ceiling = std::nextafter(kWidthCeiling, kNone);
  }
  std::unique_ptr<Kernel> kernel;
  if (numerics.product_grid) kernel = make_grid_kernel(op, how.ceiling > 0 ? how.ceiling : kNone);
  if (numerics.no_nan && op.type == "softmax") kernel = std::make_unique<SoftmaxOfInfinities>(op);
  if (!kernel) kernel = make_kernel(op);
  return over_results(std::move(kernel), [how](float* x, size_t n) { simd::finish(x, n, how); });
}

}  // namespace anemone
