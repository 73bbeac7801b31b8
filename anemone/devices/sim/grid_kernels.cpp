#include "anemone/devices/sim/grid_kernels.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "anemone/kernels/half_numerics.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

constexpr size_t kRowGrain = 4;

// out [m, n] = a [m, k] · b [k, n] for every batch; strides of a batch in elements, 0 to repeat.
struct Product {
  size_t m = 0, n = 0, k = 0;
  size_t a_row = 0, a_step = 0;
  bool transpose_b = false;
  float ceiling = 0;
  std::vector<size_t> a_offset, b_offset;  // of each batch
};

// Offsets of every batch of `out`, for an operand whose leading axes may be 1.
std::vector<size_t> batch_offsets(const Shape& operand, const Shape& out) {
  const size_t axes = out.size() - 2;
  const int64_t matrix = operand[operand.size() - 2] * operand.back();
  std::vector<size_t> offsets = {0};
  for (size_t axis = 0; axis < axes; ++axis) {
    const size_t missing = out.size() - operand.size();
    const int64_t size = axis < missing ? 1 : operand[axis - missing];
    std::vector<size_t> next;
    for (const size_t offset : offsets) {
      for (int64_t i = 0; i < out[axis]; ++i) {
        next.push_back(offset * static_cast<size_t>(size) + static_cast<size_t>(size == 1 ? 0 : i));
      }
    }
    offsets = std::move(next);
  }
  for (size_t& offset : offsets) offset *= static_cast<size_t>(matrix);
  return offsets;
}

std::unique_ptr<Kernel> kernel_of_product(Product p, size_t a_index, size_t b_index) {
  const size_t scratch = p.transpose_b ? p.k * p.n * sizeof(float) : 0;
  return kernel_of(
      [p = std::move(p), a_index, b_index](const KernelRun& run) {
        for (size_t batch = 0; batch < p.a_offset.size(); ++batch) {
          const float* a = run.input(a_index) + p.a_offset[batch];
          const float* b = run.input(b_index) + p.b_offset[batch];
          float* out = run.output() + batch * p.m * p.n;
          if (p.transpose_b) {
            float* rows = run.scratch_floats();
            for (size_t n = 0; n < p.n; ++n) {
              for (size_t k = 0; k < p.k; ++k) rows[k * p.n + n] = b[n * p.k + k];
            }
            b = rows;
          }
          run.pool.parallel_for(p.m, kRowGrain, [&](size_t begin, size_t end, int) {
            simd::grid_matmul(a, p.a_row, p.a_step, b, out, begin, end, p.k, p.n, p.ceiling);
          });
        }
      },
      {}, scratch);
}

std::unique_ptr<Kernel> matmul(const OpArgs& args, float ceiling) {
  const Shape &x = args.shape("x"), &y = args.shape("y"), &out = args.op().outputs[0]->type.shape;
  if (x.size() < 2 || y.size() < 2) return nullptr;
  const bool transpose_x = args.boolean("transpose_x", false);
  Product p;
  p.ceiling = ceiling;
  p.transpose_b = args.boolean("transpose_y", false);
  p.m = static_cast<size_t>(out[out.size() - 2]);
  p.n = static_cast<size_t>(out.back());
  p.k = static_cast<size_t>(transpose_x ? x[x.size() - 2] : x.back());
  const auto width = static_cast<size_t>(x.back());
  p.a_row = transpose_x ? 1 : width;
  p.a_step = transpose_x ? width : 1;
  p.a_offset = batch_offsets(x, out);
  p.b_offset = batch_offsets(y, out);
  return kernel_of_product(std::move(p), 0, 1);
}

// y [rows, O] = x [rows, C] · weight [O, C] transposed
std::unique_ptr<Kernel> linear(const OpArgs& args, float ceiling) {
  if (args.has("bias")) return nullptr;
  const Shape& weight = args.shape("weight");
  Product p;
  p.ceiling = ceiling;
  p.transpose_b = true;
  p.n = static_cast<size_t>(weight[0]);
  p.k = static_cast<size_t>(weight[1]);
  p.m = static_cast<size_t>(element_count(args.shape("x"))) / p.k;
  p.a_row = p.k;
  p.a_step = 1;
  p.a_offset = p.b_offset = {0};
  return kernel_of_product(std::move(p), 0, 1);
}

// y [O, S] = W [O, C] · x [C, S]
std::unique_ptr<Kernel> conv(const OpArgs& args, float ceiling) {
  const Shape &x = args.shape("x"), &w = args.shape("weight");
  if (x.size() != 4 || args.has("bias") || !is_pointwise(args)) return nullptr;
  Product p;
  p.ceiling = ceiling;
  p.m = static_cast<size_t>(w[0]);
  p.k = static_cast<size_t>(w[1]);
  p.n = static_cast<size_t>(x[2] * x[3]);
  p.a_row = p.k;
  p.a_step = 1;
  p.a_offset.assign(static_cast<size_t>(x[0]), 0);
  for (size_t batch = 0; batch < p.a_offset.size(); ++batch) {
    p.b_offset.push_back(batch * p.k * p.n);
  }
  return kernel_of_product(std::move(p), 1, 0);
}

}  // namespace

std::unique_ptr<Kernel> make_grid_kernel(const Operation& op, float ceiling) {
  if (op.outputs[0]->type.dtype != DType::kFp32) return nullptr;
  using Factory = std::unique_ptr<Kernel> (*)(const OpArgs& args, float ceiling);
  static const std::map<std::string_view, Factory> kFactories = {
      {"matmul", matmul}, {"linear", linear}, {"conv", conv}};
  const auto found = kFactories.find(op.type);
  return found == kFactories.end() ? nullptr : found->second(OpArgs(op), ceiling);
}

}  // namespace anemone
