// Sums, means and extremes over axes.
#include <algorithm>
#include <limits>

#include "anemone/base/arithmetic.h"
#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/simd.h"
#include "anemone/kernels/simd_map.h"

namespace anemone {
namespace {

enum class Reduction : uint8_t { kSum, kMean, kSumSquare, kLargest, kSmallest };

// Rows that are added up element by element: more would lose digits.
constexpr int64_t kMostRows = 1024;
constexpr size_t kGrain = 4096;

struct Axis {
  int64_t size, stride;
};

// x with its axes merged: those that are kept, those that are reduced, and the innermost one.
struct Axes {
  std::vector<Axis> kept, reduced;
  Axis inner{1, 1};
  bool inner_is_reduced = true;
  int64_t count = 1;  // of elements that go into one result

  int64_t size_of(const std::vector<Axis>& axes) const {
    int64_t size = 1;
    for (const Axis& axis : axes) size *= axis.size;
    return size;
  }
};

int64_t offset_of(const std::vector<Axis>& axes, int64_t index) {
  int64_t offset = 0;
  for (size_t a = axes.size(); a-- > 0; index /= axes[a].size) {
    offset += index % axes[a].size * axes[a].stride;
  }
  return offset;
}

Axes axes_of(const OpArgs& args) {
  const Shape& shape = args.shape("x");
  std::vector<bool> reduced(shape.size(), !args.has("axes"));
  if (args.has("axes")) {
    for (int64_t axis : args.integers("axes")) {
      reduced[static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(shape.size()) : axis)] =
          true;
    }
  }
  Axes result;
  int64_t stride = 1;
  bool is_first = true, last_reduced = false;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) {
    if (shape[i] == 1) continue;
    if (reduced[i]) result.count *= shape[i];
    if (is_first) {
      result.inner = {shape[i], 1};
      result.inner_is_reduced = last_reduced = reduced[i];
      is_first = false;
      continue;
    }
    const bool still_inner = result.kept.empty() && result.reduced.empty();
    auto& axes = reduced[i] ? result.reduced : result.kept;
    if (reduced[i] == last_reduced && still_inner) {
      result.inner.size *= shape[i];
    } else if (reduced[i] == last_reduced) {
      axes.front().size *= shape[i];
    } else {
      axes.insert(axes.begin(), {shape[i], stride});
    }
    last_reduced = reduced[i];
  }
  return result;
}

double fold_row(Reduction reduction, const float* row, size_t n) {
  switch (reduction) {
    case Reduction::kLargest:
      return simd::largest(row, n);
    case Reduction::kSmallest:
      return simd::smallest(row, n);
    case Reduction::kSumSquare:
      return simd::sum_of_squares_from(row, 0, n);
    default:
      return simd::sum(row, n);
  }
}

double join(Reduction reduction, double a, double b) {
  if (reduction == Reduction::kLargest) return maximum(a, b);
  return reduction == Reduction::kSmallest ? minimum(a, b) : a + b;
}

// Each result from rows that lie side by side.
void reduce_rows(const KernelRun& run, const Axes& axes, Reduction reduction) {
  const int64_t rows = axes.size_of(axes.reduced);
  const auto results = static_cast<size_t>(axes.size_of(axes.kept));
  const auto grain = 1 + kGrain / static_cast<size_t>(axes.count);
  run.pool.parallel_for(results, grain, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      const float* x = run.input(0) + offset_of(axes.kept, static_cast<int64_t>(i));
      const auto width = static_cast<size_t>(axes.inner.size);
      double result = fold_row(reduction, x, width);
      for (int64_t row = 1; row < rows; ++row) {
        result =
            join(reduction, result, fold_row(reduction, x + offset_of(axes.reduced, row), width));
      }
      if (reduction == Reduction::kMean) result /= static_cast<double>(axes.count);
      run.output()[i] = static_cast<float>(result);
    }
  });
}

// Rows of results from rows of elements, one after another.
void reduce_columns(const KernelRun& run, const Axes& axes, Reduction reduction) {
  const int64_t rows = axes.size_of(axes.reduced), kept = axes.size_of(axes.kept);
  const auto step = reduction == Reduction::kLargest    ? simd::maximum
                    : reduction == Reduction::kSmallest ? simd::minimum
                                                        : simd::add;
  const auto width = static_cast<size_t>(axes.inner.size);
  const size_t grain = std::max<size_t>(16, kGrain / static_cast<size_t>(axes.count) / 16 * 16);
  for (int64_t i = 0; i < kept; ++i) {
    const float* x = run.input(0) + offset_of(axes.kept, i);
    float* out = run.output() + static_cast<size_t>(i) * width;
    run.pool.parallel_for(width, grain, [&](size_t begin, size_t end, int) {
      std::copy(x + begin, x + end, out + begin);
      for (int64_t row = 1; row < rows; ++row) {
        step(out + begin, x + offset_of(axes.reduced, row) + begin, out + begin, end - begin);
      }
      if (reduction == Reduction::kMean) {
        simd::mul_scalar(out + begin, 1 / static_cast<float>(axes.count), out + begin, end - begin);
      }
    });
  }
}

template <Reduction reduction>
std::unique_ptr<Kernel> reduce(const OpArgs& args) {
  if (!all_fp32(args) || args.type("x").dtype != DType::kFp32) return nullptr;
  if (element_count(args.shape("x")) == 0) return nullptr;
  const Axes axes = axes_of(args);
  if (axes.inner_is_reduced) {
    return kernel_of([=](const KernelRun& run) { reduce_rows(run, axes, reduction); });
  }
  if (axes.size_of(axes.reduced) > kMostRows || reduction == Reduction::kSumSquare) return nullptr;
  return kernel_of([=](const KernelRun& run) { reduce_columns(run, axes, reduction); });
}

}  // namespace

KernelFamily reduction_kernels() {
  return {
      {"reduce_max", reduce<Reduction::kLargest>},
      {"reduce_mean", reduce<Reduction::kMean>},
      {"reduce_min", reduce<Reduction::kSmallest>},
      {"reduce_sum", reduce<Reduction::kSum>},
      {"reduce_sum_square", reduce<Reduction::kSumSquare>},
  };
}

}  // namespace anemone
