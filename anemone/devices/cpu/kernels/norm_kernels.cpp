// anemone.rms_norm and its backward operation over the channels of [N, C, 1, S]. The N items (heads
// that share a weight) follow each other; each is split over the threads.
#include <algorithm>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/devices/cpu/kernels/room.h"
#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

constexpr size_t kColumnGrain = 16;  // a cache line of columns
constexpr size_t kRowGrain = 16;

struct Size {
  size_t items, rows, columns;
  size_t item() const { return rows * columns; }
};

Size size_of(const OpArgs& args) {
  const Shape& x = args.shape("x");
  return {static_cast<size_t>(x[0]), static_cast<size_t>(x[1]), static_cast<size_t>(x[3])};
}

// One token, whose rows are single numbers: too little for threads.
void norm_column(const KernelRun& run, size_t at, size_t rows, float epsilon) {
  float inverse;
  simd::inverse_rms(run.input(0) + at, rows, 1, 1, epsilon, &inverse);
  simd::mul_scalar(run.input(0) + at, inverse, run.output() + at, rows);
  simd::mul(run.output() + at, run.input(1), run.output() + at, rows);
}

// The item at element `start`.
void norm_item(const KernelRun& run, const Size& size, size_t start, float epsilon) {
  float* inverse = run.scratch_floats();
  run.pool.parallel_for(size.columns, kColumnGrain, [&](size_t begin, size_t end, int) {
    simd::inverse_rms(run.input(0) + start + begin, size.rows, end - begin, size.columns, epsilon,
                      inverse + begin);
  });
  run.pool.parallel_for(size.rows, kRowGrain, [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; ++row) {
      in_rooms(0, size.columns, [&](size_t first, size_t count) {
        const size_t at = start + row * size.columns + first;
        simd::scale_row(run.input(0) + at, inverse + first, run.input(1)[row],
                        Room(run, 0, at, count).data(), count);
      });
    }
  });
}

std::unique_ptr<Kernel> rms_norm(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const Size size = size_of(args);
  const auto epsilon = static_cast<float>(args.number("epsilon", 1e-5));
  if (size.columns == 1) {
    return kernel_of(
        [=](const KernelRun& run) {
          for (size_t n = 0; n < size.items; ++n)
            norm_column(run, n * size.rows, size.rows, epsilon);
        },
        {{0, 0}});
  }
  auto kernel = kernel_of(
      [=](const KernelRun& run) {
        for (size_t n = 0; n < size.items; ++n) norm_item(run, size, n * size.item(), epsilon);
      },
      {{0, 0}}, size.columns * sizeof(float));
  return also_in_bf16(std::move(kernel), {.outputs = {0}});
}

// The item at element `start`. Columns first (1/rms and the dot product), then rows: sums run in
// one order whatever the threads. Adds to the weight's gradient where the item is not the first.
void norm_item_backward(const KernelRun& run, const Size& size, size_t start, float epsilon,
                        bool has_sum) {
  const float *x = run.input(0) + start, *weight = run.input(1), *dy = run.input(2) + start;
  const float* sum = has_sum ? run.input(3) + start : nullptr;
  float* dx = run.output(0) + start;
  float *inverse = run.scratch_floats(), *mean_dot = inverse + size.columns;
  run.pool.parallel_for(size.columns, kColumnGrain, [&](size_t begin, size_t end, int) {
    simd::inverse_rms(x + begin, size.rows, end - begin, size.columns, epsilon, inverse + begin);
    simd::weighted_dot(x + begin, dy + begin, weight, size.rows, end - begin, size.columns,
                       mean_dot + begin);
    for (size_t s = begin; s < end; ++s) {
      const float r = inverse[s];
      mean_dot[s] *= r * r * r / static_cast<float>(size.rows);
    }
  });
  run.pool.parallel_for(size.rows, kRowGrain, [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; ++row) {
      const size_t at = row * size.columns;
      const float dweight = simd::rms_backward_row(x + at, dy + at, inverse, mean_dot, weight[row],
                                                   sum ? sum + at : nullptr, dx + at, size.columns);
      run.output(1)[row] = start == 0 ? dweight : run.output(1)[row] + dweight;
    }
  });
}

std::unique_ptr<Kernel> rms_norm_backward(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const Size size = size_of(args);
  const auto epsilon = static_cast<float>(args.number("epsilon", 1e-5));
  const bool has_sum = args.has("sum");
  return kernel_of(
      [=](const KernelRun& run) {
        for (size_t n = 0; n < size.items; ++n) {
          norm_item_backward(run, size, n * size.item(), epsilon, has_sum);
        }
      },
      has_sum ? Overwrites{{0, 0}, {2, 0}, {3, 0}} : Overwrites{{0, 0}, {2, 0}},
      2 * size.columns * sizeof(float));
}

}  // namespace

KernelFamily norm_kernels() {
  return {
      {"anemone.rms_norm", rms_norm},
      {"anemone.rms_norm_backward", rms_norm_backward},
  };
}

}  // namespace anemone
