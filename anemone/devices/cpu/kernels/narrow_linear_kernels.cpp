// Linear layers whose weights are stored in bf16, in int8 with a scale for each row, or in int4
// with a scale for each group; rows of tables in int4.
#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/gemm.h"
#include "anemone/kernels/int4_vectors.h"
#include "anemone/kernels/simd.h"
#include "anemone/kernels/tiles.h"

namespace anemone {
namespace {

// The matrix W [rows, columns] and what it is multiplied with, x [columns, width].
struct Linear {
  size_t rows, columns, width;
};

const BFloat16* numbers(const KernelRun& run, BFloat16) {
  return static_cast<const BFloat16*>(run.in[1].data);
}
const int8_t* numbers(const KernelRun& run, int8_t) {
  return static_cast<const int8_t*>(run.in[1].data);
}
Int4Numbers numbers(const KernelRun& run, Int4Numbers) {
  return {static_cast<const uint8_t*>(run.in[1].data), static_cast<const Half*>(run.in[2].data)};
}

// What simd.h takes bf16 as.
const uint16_t* stored(const KernelRun& run, BFloat16) {
  return static_cast<const uint16_t*>(run.in[1].data);
}
const int8_t* stored(const KernelRun& run, int8_t) { return numbers(run, int8_t()); }

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

// The same for int4, with x in int8.
void multiply_few_int4(const KernelRun& run, const Linear& linear) {
  const auto [rows, columns, width] = linear;
  auto* vectors = reinterpret_cast<QuantizedBlock*>(run.scratch);
  for (size_t s = 0; s < width; ++s) {
    quantize_vector(run.input(0) + s, width, columns, vectors + s * quantized_blocks(columns));
  }
  run.pool.parallel_for(
      rows, 4, [&, columns = columns, width = width](size_t begin, size_t end, int) {
        matrix_vectors(numbers(run, Int4Numbers()) + static_cast<int64_t>(begin * columns),
                       end - begin, columns, vectors, width, run.output() + begin * width, width);
      });
}

constexpr size_t kWidenedRows = 48;

void widen(const BFloat16* from, size_t count, float* to) {
  std::transform(from, from + count, to, [](BFloat16 x) { return to_float(x); });
}
void widen(const int8_t* from, size_t count, float* to) { std::copy_n(from, count, to); }
void widen(Int4Numbers from, size_t count, float* to) {
  for (size_t i = 0; i < count; i += kInt4Group, from = from + kInt4Group) {
    const float scale = to_float(*from.scales);
    for (int64_t j = 0; j < kInt4Group; ++j) {
      *to++ = scale * static_cast<float>(int4_at(from.packed, j));
    }
  }
}

// Some rows of W at a time, widened.
template <typename T>
void multiply_widened(const KernelRun& run, const Linear& linear) {
  const auto [rows, columns, width] = linear;
  const auto weight = numbers(run, T());
  const auto multiply = [&, columns = columns, width = width](size_t row, size_t count,
                                                              float* block) {
    widen(weight + static_cast<int64_t>(row * columns), count * columns, block);
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
    if (run.in[1].dtype == DType::kInt8) scale_rows(run, row, row + count, width);
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

// A product of bf16 numbers: integers of int8 become such exactly, those of int4 times their scales
// and x are rounded.
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
                    .row_scale = run.in[1].dtype == DType::kInt8 ? run.input(2) : nullptr,
                    .b_version = run.b_version,
                    .then = run.then});
  });
  kernel->be_product({0, linear.rows});
  return also_in_bf16(std::move(kernel), {.operands = {0}});
}

template <typename T>
std::unique_ptr<Kernel> few_columns(const Linear& linear) {
  if constexpr (std::is_same_v<T, Int4Numbers>) {
    return kernel_of([=](const KernelRun& run) { multiply_few_int4(run, linear); }, {},
                     linear.width * quantized_blocks(linear.columns) * sizeof(QuantizedBlock));
  } else {
    return kernel_of([=](const KernelRun& run) { multiply_few<T>(run, linear); }, {},
                     linear.columns * linear.width * sizeof(float));
  }
}

template <typename T>
std::unique_ptr<Kernel> kernel_for(const Linear& linear) {
  if (linear.width <= kFewColumns) return few_columns<T>(linear);
  if (has_bf16_instructions()) return rounded_product<T>(linear);
  return kernel_of([=](const KernelRun& run) { multiply_widened<T>(run, linear); }, {}, 0,
                   kWidenedRows * linear.columns * sizeof(float));
}

// With scales in fp16: among operations in fp16 they are widened like all else.
bool has_int4(const OpArgs& args, const char* weight) {
  return args.type(weight).dtype == DType::kInt4 && args.type("scale").dtype == DType::kFp16;
}

std::unique_ptr<Kernel> narrow_linear(const OpArgs& args) {
  if (args.type("x").dtype != DType::kFp32) return nullptr;
  const Shape& weight = args.shape("weight");
  const Linear linear{static_cast<size_t>(weight[0]), static_cast<size_t>(weight[1]),
                      static_cast<size_t>(args.shape("x")[3])};
  if (args.type("weight").dtype == DType::kInt8) return kernel_for<int8_t>(linear);
  if (has_int4(args, "weight")) return kernel_for<Int4Numbers>(linear);
  if (args.type("weight").dtype == DType::kBf16) return kernel_for<BFloat16>(linear);
  return nullptr;
}

std::unique_ptr<Kernel> narrow_rows(const OpArgs& args) {
  if (!has_int4(args, "table") || args.type("indices").dtype != DType::kInt32) return nullptr;
  const int64_t rows = args.shape("table")[0], columns = args.shape("table")[1];
  return kernel_of([=](const KernelRun& run) {
    const Int4Numbers table = {static_cast<const uint8_t*>(run.in[0].data),
                               static_cast<const Half*>(run.in[1].data)};
    float* out = run.output();
    for (const int32_t index : run.in[2].as<const int32_t>()) {
      if (index < -rows || index >= rows) {
        fail("anemone.narrow_rows", fmt::format("row {} is outside {}", index, rows));
      }
      const int64_t row = index < 0 ? index + rows : index;
      widen(table + row * columns, static_cast<size_t>(columns), out);
      out += columns;
    }
  });
}

}  // namespace

KernelFamily narrow_linear_kernels() {
  return {{"anemone.narrow_linear", narrow_linear}, {"anemone.narrow_rows", narrow_rows}};
}

}  // namespace anemone
