#include "anemone/devices/cpu/kernels/broadcast.h"

#include <algorithm>
#include <array>

#include "anemone/ops/elementwise.h"

namespace anemone {
namespace {

constexpr size_t kGrain = 4096;
// Copies of a number that an operand is to be read as.
constexpr size_t kCopies = 256;

// Axes of the output with the strides of both operands, those that are one in memory merged.
struct Axis {
  int64_t size, x, y;
};

std::vector<Axis> merged_axes(const Shape& out, const Shape& x, const Shape& y) {
  const Shape x_strides = broadcast_strides(x, out), y_strides = broadcast_strides(y, out);
  std::vector<Axis> axes;
  for (size_t i = 0; i < out.size(); ++i) {
    const Axis axis{out[i], x_strides[i], y_strides[i]};
    if (axis.size == 1) continue;
    const bool goes_on =
        !axes.empty() && axes.back().x == axis.size * axis.x && axes.back().y == axis.size * axis.y;
    if (goes_on) {
      axes.back() = {axes.back().size * axis.size, axis.x, axis.y};
    } else {
      axes.push_back(axis);
    }
  }
  if (axes.empty()) axes.push_back({1, 1, 1});
  return axes;
}

using Loop = void (*)(const float*, const float*, float*, size_t);

// A row of which one operand, or both, may be one number.
void run_row(Loop loop, const float* x, bool x_repeats, const float* y, bool y_repeats, float* out,
             size_t n) {
  if (!x_repeats && !y_repeats) return loop(x, y, out, n);
  std::array<float, kCopies> xs, ys;
  if (x_repeats) xs.fill(*x);
  if (y_repeats) ys.fill(*y);
  for (size_t i = 0; i < n; i += kCopies) {
    loop(x_repeats ? xs.data() : x + i, y_repeats ? ys.data() : y + i, out + i,
         std::min(kCopies, n - i));
  }
}

}  // namespace

std::unique_ptr<Kernel> broadcast_kernel(const OpArgs& args, Loop loop) {
  const Shape& out = args.op().outputs[0]->type.shape;
  std::vector<Axis> axes = merged_axes(out, args.shape("x"), args.shape("y"));
  const Axis inner = axes.back();
  axes.pop_back();
  const auto rows = static_cast<size_t>(element_count(out) / inner.size);
  const auto width = static_cast<size_t>(inner.size);
  Overwrites overwrites;
  if (args.shape("x") == out) overwrites.emplace_back(0, 0);
  if (args.shape("y") == out) overwrites.emplace_back(1, 0);
  const auto run = [=](const KernelRun& run) {
    // One row alone is cut into pieces.
    const size_t pieces = rows == 1 ? (width + kGrain - 1) / kGrain : rows;
    const size_t length = rows == 1 ? kGrain : width;
    run.pool.parallel_for(pieces, 1 + kGrain / length, [&](size_t begin, size_t end, int) {
      for (size_t piece = begin; piece < end; ++piece) {
        const size_t first = rows == 1 ? piece * kGrain : 0, row = rows == 1 ? 0 : piece;
        int64_t x = static_cast<int64_t>(first) * inner.x;
        int64_t y = static_cast<int64_t>(first) * inner.y;
        auto rest = static_cast<int64_t>(row);
        for (size_t a = axes.size(); a-- > 0; rest /= axes[a].size) {
          x += rest % axes[a].size * axes[a].x;
          y += rest % axes[a].size * axes[a].y;
        }
        run_row(loop, run.input(0) + x, inner.x == 0, run.input(1) + y, inner.y == 0,
                run.output() + row * width + first, std::min(length, width - first));
      }
    });
  };
  return kernel_of(run, std::move(overwrites));
}

}  // namespace anemone
