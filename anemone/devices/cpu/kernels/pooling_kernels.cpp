// Pooling: small windows tap by tap over whole rows of positions, large ones position by position.
#include <algorithm>
#include <cmath>
#include <limits>

#include "anemone/base/arithmetic.h"
#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/devices/cpu/kernels/window_shape.h"
#include "anemone/kernels/simd.h"
#include "anemone/kernels/simd_conv.h"
#include "anemone/kernels/simd_map.h"

namespace anemone {
namespace {

using simd::Fold;

// Taps of a window that is small.
constexpr int64_t kFewTaps = 64;
constexpr int64_t kSlack = 64;

int64_t whole_lines(int64_t floats) { return (floats + 15) / 16 * 16; }

// Positions of the large image on one axis that a window sees.
struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

class Pool : public Kernel {
 public:
  Pool(const ConvShape& shape, Fold fold, bool counts_all)
      : shape_(shape), fold_(fold), divides_(fold == Fold::kSum) {
    if (!divides_) return;
    const int64_t positions = volume(shape.small);
    if (counts_all) {
      divisor_ = static_cast<float>(shape.taps());
      return;
    }
    divisors_.resize(static_cast<size_t>(positions));
    for (int64_t i = 0; i < positions; ++i) {
      divisors_[static_cast<size_t>(i)] =
          static_cast<float>(range(0, i).size() * range(1, i).size() * range(2, i).size());
    }
  }

  void run(const KernelRun& run) const override {
    const int64_t large = volume(shape_.large), small = volume(shape_.small);
    const auto planes = static_cast<size_t>(shape_.batch * shape_.large_channels);
    const auto grain = static_cast<size_t>(4096 / (large + 1) + 1);
    run.pool.parallel_for(planes, grain, [&](size_t begin, size_t end, int thread) {
      float* memory = run.scratch_floats() + thread * thread_floats();
      for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
        float* out = run.output() + i * small;
        fold_plane(run.input(0) + i * large, memory, out);
        finish(out, static_cast<size_t>(small));
      }
    });
  }

 protected:
  virtual void fold_plane(const float* x, float* memory, float* out) const = 0;
  virtual int64_t thread_floats() const { return 0; }

  // Of the small position i.
  Range range(size_t axis, int64_t i) const {
    const int64_t at = axis == 0   ? i / shape_.small[2] / shape_.small[1]
                       : axis == 1 ? i / shape_.small[2] % shape_.small[1]
                                   : i % shape_.small[2];
    const int64_t begin = at * shape_.strides[axis] - shape_.before[axis];
    return {std::max<int64_t>(begin, 0), std::min(begin + shape_.kernel[axis], shape_.large[axis])};
  }

  size_t scratch_bytes(int threads) const override {
    return static_cast<size_t>(threads * thread_floats()) * sizeof(float);
  }

  const ConvShape shape_;
  const Fold fold_;

 private:
  void finish(float* out, size_t count) const {
    if (fold_ == Fold::kSumOfSquares) simd::sqrt(out, 0, 0, out, count);
    if (!divides_) return;
    if (divisors_.empty()) return simd::mul_scalar(out, 1 / divisor_, out, count);
    simd::div(out, divisors_.data(), out, count);
  }

  bool divides_;
  float divisor_ = 1;
  std::vector<float> divisors_;  // where they differ
};

class SmallWindows final : public Pool {
 public:
  SmallWindows(const ConvShape& shape, Fold fold, bool counts_all)
      : Pool(shape, fold, counts_all), plane_(shape) {}

 private:
  int64_t thread_floats() const override {
    return whole_lines(plane_.size() + kSlack) + whole_lines(volume(plane_.part()) + kSlack);
  }

  // All positions of a part at once, also those between the rows of the output.
  void fold_plane(const float* x, float* memory, float* out) const override {
    const float outside = fold_ == Fold::kLargest ? -std::numeric_limits<float>::infinity() : 0.0f;
    if (!plane_.is_plain()) plane_.split(x, memory, outside);
    const float* plane = plane_.is_plain() ? x : memory;
    const Spatial& small = shape_.small;
    if (small[2] >= 2 * simd::conv_lanes()) {
      return plane_.for_each_row([&](int64_t from, int64_t to, int64_t width) {
        simd::fold_taps(fold_, plane + from, plane_.taps().data(), shape_.taps(), out + to,
                        static_cast<size_t>(width));
      });
    }
    float* folded = memory + whole_lines(plane_.size() + kSlack);
    for (int64_t z = 0; z < small[0]; ++z) {
      const int64_t from = plane_.position(z, 0, 0);
      const int64_t count = plane_.position(z, small[1] - 1, small[2]) - from;
      simd::fold_taps(fold_, plane + from, plane_.taps().data(), shape_.taps(), folded,
                      static_cast<size_t>(count));
      simd::copy_rows(folded, plane_.row(), small[2], small[1], out + z * small[1] * small[2],
                      small[2]);
    }
  }

  SplitPlane plane_;
};

class LargeWindows final : public Pool {
 public:
  using Pool::Pool;

 private:
  void fold_plane(const float* x, float*, float* out) const override {
    for (int64_t i = 0; i < volume(shape_.small); ++i) out[i] = fold_window(x, i);
  }

  float fold_window(const float* x, int64_t i) const {
    const Range depth = range(0, i), height = range(1, i), width = range(2, i);
    const auto count = static_cast<size_t>(width.size());
    double sum = 0;
    float most = -std::numeric_limits<float>::infinity();
    for (int64_t z = depth.begin; z < depth.end; ++z) {
      for (int64_t y = height.begin; y < height.end; ++y) {
        const float* row = x + (z * shape_.large[1] + y) * shape_.large[2] + width.begin;
        if (fold_ == Fold::kLargest) most = maximum(most, simd::largest(row, count));
        if (fold_ == Fold::kSum) sum += simd::sum(row, count);
        if (fold_ == Fold::kSumOfSquares) sum += simd::sum_of_squares_from(row, 0, count);
      }
    }
    return fold_ == Fold::kLargest ? most : static_cast<float>(sum);
  }
};

template <Fold fold>
std::unique_ptr<Kernel> pool(const OpArgs& args) {
  if (!all_fp32(args) || args.type("x").dtype != DType::kFp32) return nullptr;
  const ConvShape shape = window_of_pool(args);
  const bool counts_all = !args.boolean("exclude_padding_from_average", false);
  // Sizes of an axis are known to be small before they are multiplied.
  const bool is_small = std::all_of(shape.kernel.begin(), shape.kernel.end(),
                                    [](int64_t size) { return size <= kFewTaps; }) &&
                        shape.taps() <= kFewTaps;
  if (is_small) return std::make_unique<SmallWindows>(shape, fold, counts_all);
  return std::make_unique<LargeWindows>(shape, fold, counts_all);
}

}  // namespace

KernelFamily pooling_kernels() {
  return {
      {"avg_pool", pool<Fold::kSum>},
      {"l2_pool", pool<Fold::kSumOfSquares>},
      {"max_pool", pool<Fold::kLargest>},
  };
}

}  // namespace anemone
