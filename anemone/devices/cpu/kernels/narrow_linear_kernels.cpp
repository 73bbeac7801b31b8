// Linear layers whose weights are stored in bf16, or in int8 with a scale for each row.
#include <algorithm>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/gemm.h"
#include "anemone/kernels/simd.h"
#include "anemone/kernels/tiles.h"

namespace anemone {
namespace {

// The matrix W [rows, columns] and what it is multiplied with, x [columns, width].
struct Linear {
  size_t rows, columns, width;
};

// What simd.h takes bf16 as.
const uint16_t* stored(const KernelRun& run, BFloat16) {
  return static_cast<const uint16_t*>(run.in[1].data);
}
const int8_t* stored(const KernelRun& run, int8_t) {
  return static_cast<const int8_t*>(run.in[1].data);
}

void scale_rows(const KernelRun& run, size_t begin, size_t end, size_t width) {
  if (run.in.size() < 3) return;
  if (width == 1) {
    return simd::mul(run.output() + begin, run.input(2) + begin, run.output() + begin, end - begin);
  }
  for (size_t row = begin; row < end; ++row) {
    float* out = run.output() + row * width;
    simd::mul_scalar(out, run.input(2)[row], out, width);
  }
}

// More columns than this repay a matrix product of widened weights.
constexpr size_t kFewColumns = 8;

// A few columns, each weight widened as it is read. Columns are laid side by side first.
template <typename T>
void multiply_few(const KernelRun& run, const Linear& linear) {
  const auto [rows, columns, width] = linear;
  const float* x = run.input(0);
  if (width > 1) {
    float* by_column = run.scratch_floats();
    for (size_t c = 0; c < columns; ++c) {
      for (size_t s = 0; s < width; ++s) by_column[s * columns + c] = x[c * width + s];
    }
    x = by_column;
  }
  run.pool.parallel_for(
      rows, 1, [&, columns = columns, width = width](size_t begin, size_t end, int) {
        simd::matrix_vectors(stored(run, T()) + begin * columns, end - begin, columns, columns, x,
                             columns, width, nullptr, run.output() + begin * width, width);
        scale_rows(run, begin, end, width);
      });
}

constexpr size_t kWidenedRows = 48;

float widened(BFloat16 x) { return to_float(x); }
float widened(int8_t x) { return x; }

// Some rows of W at a time, widened.
template <typename T>
void multiply_widened(const KernelRun& run, const Linear& linear) {
  const auto [rows, columns, width] = linear;
  const T* weight = static_cast<const T*>(run.in[1].data);
  const auto multiply = [&, columns = columns, width = width](size_t row, size_t count,
                                                              float* block) {
    const T* from = weight + row * columns;
    std::transform(from, from + count * columns, block, [](T x) { return widened(x); });
    gemm({.m = static_cast<int64_t>(count),
          .n = static_cast<int64_t>(width),
          .k = static_cast<int64_t>(columns),
          .a = block,
          .a_stride = static_cast<int64_t>(columns),
          .b = run.input(0),
          .b_stride = static_cast<int64_t>(width),
          .c = run.output() + row * width,
          .c_stride = static_cast<int64_t>(width),
          .bf16 = run.bf16});
    scale_rows(run, row, row + count, width);
  };
  run.pool.parallel_for(
      rows, kWidenedRows,
      [&, columns = columns](size_t begin, size_t end, int part) {
        float* block = run.scratch_floats() + static_cast<size_t>(part) * kWidenedRows * columns;
        for (size_t row = begin; row < end; row += kWidenedRows) {
          multiply(row, std::min(kWidenedRows, end - row), block);
        }
      },
      4);
}

Numbers numbers(const KernelRun& run, BFloat16) {
  return static_cast<const BFloat16*>(run.in[1].data);
}
Numbers numbers(const KernelRun& run, int8_t) { return stored(run, int8_t()); }

// A product of bf16 numbers: the weights become such exactly, x is rounded.
template <typename T>
std::unique_ptr<Kernel> rounded_product(const Linear& linear) {
  const auto rows = static_cast<int64_t>(linear.rows), width = static_cast<int64_t>(linear.width);
  const auto columns = static_cast<int64_t>(linear.columns);
  auto kernel = kernel_of([=](const KernelRun& run) {
    gemm(run.pool, {.m = rows,
                    .n = width,
                    .k = columns,
                    .a = numbers(run, T()),
                    .a_stride = columns,
                    .b = run.operand(0),
                    .b_stride = width,
                    .c = run.output(),
                    .c_stride = width,
                    .bf16 = true,
                    .row_scale = run.in.size() < 3 ? nullptr : run.input(2),
                    .b_version = run.b_version,
                    .then = run.then});
  });
  kernel->be_product({0, linear.rows});
  return also_in_bf16(std::move(kernel), {.operands = {0}});
}

template <typename T>
std::unique_ptr<Kernel> kernel_for(const Linear& linear) {
  if (linear.width <= kFewColumns) {
    return kernel_of([=](const KernelRun& run) { multiply_few<T>(run, linear); }, {},
                     linear.columns * linear.width * sizeof(float));
  }
  if (has_bf16_instructions()) return rounded_product<T>(linear);
  return kernel_of([=](const KernelRun& run) { multiply_widened<T>(run, linear); }, {}, 0,
                   kWidenedRows * linear.columns * sizeof(float));
}

std::unique_ptr<Kernel> narrow_linear(const OpArgs& args) {
  if (args.type("x").dtype != DType::kFp32) return nullptr;
  const Shape& weight = args.shape("weight");
  const Linear linear{static_cast<size_t>(weight[0]), static_cast<size_t>(weight[1]),
                      static_cast<size_t>(args.shape("x")[3])};
  if (args.type("weight").dtype == DType::kInt8) return kernel_for<int8_t>(linear);
  if (args.type("weight").dtype == DType::kBf16) return kernel_for<BFloat16>(linear);
  return nullptr;
}

}  // namespace

KernelFamily narrow_linear_kernels() { return {{"anemone.narrow_linear", narrow_linear}}; }

}  // namespace anemone
