// Products of matrices: 1x1 convolutions and their gradients, matmul, linear, accumulated products.
#include <algorithm>
#include <cstring>

#include "anemone/devices/cpu/epilogue.h"
#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/gemm.h"
#include "anemone/kernels/simd.h"
#include "anemone/ops/composites.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/query.h"
#include "anemone/ops/targets.h"

namespace anemone {

bool is_matrix_product(const OpArgs& args) {
  const Shape& x = args.shape("x");
  return all_fp32(args) && x.size() == 4 && x[0] == 1 && !args.has("bias") && is_pointwise(args);
}

namespace {

// y [O, S] = W [O, C] · x [C, S]
std::unique_ptr<Kernel> conv(const OpArgs& args) {
  if (!is_matrix_product(args) || has_epilogue(args)) return window_conv(args);
  const int64_t outputs = args.shape("weight")[0], channels = args.shape("weight")[1];
  const int64_t width = args.shape("x")[2] * args.shape("x")[3];
  auto kernel = kernel_of([=](const KernelRun& run) {
    gemm(run.pool, {.m = outputs,
                    .n = width,
                    .k = channels,
                    .a = run.operand(1),
                    .a_stride = channels,
                    .b = run.operand(0),
                    .b_stride = width,
                    .c = run.output(),
                    .c_stride = width,
                    .bf16 = run.bf16,
                    .b_version = run.b_version,
                    .then = run.then});
  });
  kernel->be_product({0, static_cast<size_t>(outputs)});
  return width == 1 ? std::move(kernel) : also_in_bf16(std::move(kernel), {.operands = {0, 1}});
}

// y [O, S] = Wᵀ · x [C, S] with W stored [C, O]: the gradient of conv with respect to x.
std::unique_ptr<Kernel> transposed_product(const OpArgs& args) {
  if (!is_matrix_product(args)) return nullptr;
  const int64_t channels = args.shape("weight")[0], outputs = args.shape("weight")[1];
  const int64_t width = args.shape("x")[2] * args.shape("x")[3];
  auto kernel = kernel_of([=](const KernelRun& run) {
    gemm(run.pool, {.transpose_a = true,
                    .m = outputs,
                    .n = width,
                    .k = channels,
                    .a = run.operand(1),
                    .a_stride = outputs,
                    .b = run.operand(0),
                    .b_stride = width,
                    .c = run.output(),
                    .c_stride = width,
                    .bf16 = run.bf16,
                    .b_version = run.b_version,
                    .then = run.then});
  });
  kernel->be_product({0, static_cast<size_t>(outputs)});
  return width == 1 ? std::move(kernel) : also_in_bf16(std::move(kernel), {.operands = {0, 1}});
}

std::unique_ptr<Kernel> conv_transpose(const OpArgs& args) {
  if (!is_matrix_product(args) || has_epilogue(args)) return window_conv_transpose(args);
  return transposed_product(args);
}

// The operands of matmul and linear put the matrices at positions 0 and 1 of the arguments.
Gemm product(const Shape& x, const Shape& y, bool transpose_x, bool transpose_y) {
  const int64_t xr = x[x.size() - 2], xc = x.back(), yr = y[y.size() - 2], yc = y.back();
  Gemm g;
  g.transpose_a = transpose_x;
  g.transpose_b = transpose_y;
  g.m = transpose_x ? xc : xr;
  g.k = transpose_x ? xr : xc;
  g.n = transpose_y ? yr : yc;
  g.a_stride = xc;
  g.b_stride = yc;
  g.c_stride = g.n;
  return g;
}

// Where each matrix of a broadcast batch starts in an operand of `shape`.
std::vector<int64_t> matrix_starts(const Shape& shape, const Shape& batch) {
  const Shape own(shape.begin(), shape.end() - 2);
  const int64_t size = shape[shape.size() - 2] * shape.back();
  std::vector<int64_t> starts;
  for_each_offset(batch, broadcast_strides(own, batch),
                  [&](int64_t, int64_t offset) { starts.push_back(offset * size); });
  return starts;
}

// Stacks of matrices that broadcast against each other. Where all of x meets one y, its matrices
// are one.
std::unique_ptr<Kernel> matmul(const OpArgs& args) {
  const Shape &x = args.shape("x"), &y = args.shape("y");
  if (!all_fp32(args) || args.type("x").dtype != DType::kFp32) return nullptr;
  if (x.size() < 2 || y.size() < 2) return nullptr;
  Gemm shape =
      product(x, y, args.boolean("transpose_x", false), args.boolean("transpose_y", false));
  if (shape.k == 0) return nullptr;
  const Shape& out = args.op().outputs[0]->type.shape;
  Shape batch(out.begin(), out.end() - 2);
  const int64_t y_matrices = element_count(y) / (shape.k * shape.n);
  if (y_matrices == 1 && !shape.transpose_a) {
    shape.m *= element_count(batch);
    batch = {};
  }
  std::vector<int64_t> x_starts = {0}, y_starts = {0};
  if (!batch.empty()) {
    x_starts = matrix_starts(x, batch);
    y_starts = matrix_starts(y, batch);
  }
  auto kernel = kernel_of([=](const KernelRun& run) {
    const auto one = [&](size_t i) {
      Gemm g = shape;
      g.a = run.operand(0) + x_starts[i];
      g.b = run.operand(1) + y_starts[i];
      g.c = run.output() + static_cast<int64_t>(i) * g.m * g.n;
      g.bf16 = run.bf16;
      return g;
    };
    if (x_starts.size() == 1) return gemm(run.pool, one(0));
    run.pool.parallel_for(x_starts.size(), 1, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) gemm(one(i));
    });
  });
  return shape.n == 1 ? std::move(kernel) : also_in_bf16(std::move(kernel), {.operands = {0, 1}});
}

// y [.., O] = x [.., I] · W [O, I]ᵀ + bias
std::unique_ptr<Kernel> linear(const OpArgs& args) {
  if (!all_fp32(args) || args.type("x").dtype != DType::kFp32) return nullptr;
  const Shape& weight = args.shape("weight");
  const int64_t outputs = weight[0], inputs = weight[1];
  const int64_t rows = inputs == 0 ? 0 : element_count(args.shape("x")) / inputs;
  if (rows == 0) return nullptr;
  const bool has_bias = args.has("bias");
  return kernel_of([=](const KernelRun& run) {
    Gemm g{.transpose_b = true,
           .m = rows,
           .n = outputs,
           .k = inputs,
           .a = run.input(0),
           .a_stride = inputs,
           .b = run.input(1),
           .b_stride = inputs,
           .c = run.output(),
           .c_stride = outputs,
           .bf16 = run.bf16};
    if (rows == 1) {
      // One vector: rows of the weight by a column, each read once.
      g = {.m = outputs,
           .n = 1,
           .k = inputs,
           .a = run.input(1),
           .a_stride = inputs,
           .b = run.input(0),
           .b_stride = 1,
           .c = run.output(),
           .c_stride = 1,
           .bf16 = run.bf16};
    }
    gemm(run.pool, g);
    if (!has_bias) return;
    const auto width = static_cast<size_t>(outputs);
    run.pool.parallel_for(static_cast<size_t>(rows), 1 + 4096 / width,
                          [&](size_t begin, size_t end, int) {
                            for (size_t row = begin; row < end; ++row) {
                              float* y = run.output() + row * width;
                              simd::add(y, run.input(2), y, width);
                            }
                          });
  });
}

// out = sum + x · y; `sum` may be `out`.
std::unique_ptr<Kernel> matmul_add(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const Gemm shape = product(args.shape("x"), args.shape("y"), args.boolean("transpose_x", false),
                             args.boolean("transpose_y", false));
  if (shape.k == 0) return nullptr;
  auto kernel = kernel_of<true>(
      [=](const KernelRun& run) {
        Gemm g = shape;
        g.a = run.operand(1);
        g.b = run.operand(2);
        g.c = run.output();
        g.sum = run.from_zero ? nullptr : run.input(0);
        g.streams = run.from_zero;  // a gradient that begins
        g.bf16 = run.bf16;
        g.b_version = run.b_version;
        gemm(run.pool, g);
      },
      {{0, 0}});
  kernel->be_product({2});
  return shape.n == 1 ? std::move(kernel) : also_in_bf16(std::move(kernel), {.operands = {1, 2}});
}

// g x [C, S], with zeros in the columns of targets that are ignored.
void scale_counted(const float* x, float g, std::span<const int32_t> targets, float* out,
                   size_t size) {
  simd::mul_scalar(x, g, out, size);
  if (!any_ignored(targets)) return;
  for (float* row = out; row < out + size; row += targets.size()) clear_ignored(targets, row);
}

// out = sum + p [V, S] · (g x)ᵀ, and g x [C, S] taken from the rows of the targets.
std::unique_ptr<Kernel> classifier_weight_gradient(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const bool has_sum = args.has("sum");
  const size_t first = has_sum ? 1 : 0;
  const int64_t vocab = args.shape("probabilities")[1], columns = args.shape("x")[3];
  const int64_t channels = args.shape("x")[1];
  const size_t x_bytes = args.type("x").bytes();
  const auto kernel = [=](const KernelRun& run) {
    float* scaled = run.scratch_floats();
    const auto targets = run.in[first + 2].as<const int32_t>();
    const float scale = run.input(first + 3)[0] / static_cast<float>(counted_targets(targets));
    scale_counted(run.input(first + 1), scale, targets, scaled, x_bytes / sizeof(float));
    gemm(run.pool, {.transpose_b = true,
                    .m = vocab,
                    .n = channels,
                    .k = columns,
                    .a = run.input(first),
                    .a_stride = columns,
                    .b = scaled,
                    .b_stride = columns,
                    .sum = has_sum && !run.from_zero ? run.input(0) : nullptr,
                    .c = run.output(),
                    .c_stride = channels,
                    .streams = run.from_zero,
                    .bf16 = run.bf16});
    for (int64_t s = 0; s < columns; ++s) {
      const int32_t target = targets[static_cast<size_t>(s)];
      if (target == kIgnoredTarget) continue;
      if (target < 0 || target >= vocab) {
        fail("classifier",
             fmt::format("target {} at column {} is outside [0, {})", target, s, vocab));
      }
      float* row = run.output() + target * channels;
      for (int64_t c = 0; c < channels; ++c) row[c] -= scaled[c * columns + s];
    }
  };
  if (has_sum) return kernel_of<true>(kernel, {{0, 0}}, x_bytes);
  return kernel_of(kernel, {}, x_bytes);
}

}  // namespace

KernelFamily linear_kernels() {
  return {
      {"conv", conv},
      {"conv_transpose", conv_transpose},
      {"anemone.expected_rows", transposed_product},
      {"anemone.classifier_weight_gradient", classifier_weight_gradient},
      {"linear", linear},
      {"matmul", matmul},
      {"anemone.matmul_add", matmul_add},
  };
}

}  // namespace anemone
