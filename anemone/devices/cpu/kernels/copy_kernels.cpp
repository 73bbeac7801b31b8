// Moving elements of four bytes: transposes, slices, joins and pads as copies of rows.
#include <algorithm>
#include <cstring>

#include "anemone/devices/cpu/kernels/copy_plan.h"
#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

bool has_four_bytes(const Type& type) {
  return type.is_tensor() && (type.dtype == DType::kFp32 || type.dtype == DType::kInt32);
}

size_t positive(int64_t axis, size_t rank) {
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
}

std::unique_ptr<Kernel> copy(CopyPlan plan) {
  return kernel_of([plan = std::move(plan)](const KernelRun& run) {
    plan.run(run.pool, run.input(0), run.output());
  });
}

std::unique_ptr<Kernel> transpose(const OpArgs& args) {
  if (!has_four_bytes(args.type("x"))) return nullptr;
  const Shape& shape = args.op().outputs[0]->type.shape;
  const Shape strides = dense_strides(args.shape("x"));
  Shape from;
  for (int64_t axis : args.integers("perm")) from.push_back(strides[positive(axis, shape.size())]);
  return copy(CopyPlan(shape, from, dense_strides(shape)));
}

std::unique_ptr<Kernel> slice_by_size(const OpArgs& args) {
  if (!has_four_bytes(args.type("x"))) return nullptr;
  const Shape& shape = args.op().outputs[0]->type.shape;
  const Shape strides = dense_strides(args.shape("x"));
  const std::vector<int64_t> begin = args.integers("begin");
  int64_t offset = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (begin[i] < 0) return nullptr;
    offset += begin[i] * strides[i];
  }
  return copy(CopyPlan(shape, strides, dense_strides(shape), offset));
}

// Without squeezed axes and negative steps, which the reference kernel has.
std::unique_ptr<Kernel> slice_by_index(const OpArgs& args) {
  const Shape &x = args.shape("x"), &shape = args.op().outputs[0]->type.shape;
  if (!has_four_bytes(args.type("x")) || shape.size() != x.size()) return nullptr;
  const std::vector<int64_t> begin = args.integers("begin");
  const std::vector<int64_t> step = args.integers("stride", Shape(x.size(), 1));
  const Literal* mask = args.has("begin_mask") ? args.literal("begin_mask") : nullptr;
  Shape strides = dense_strides(x);
  int64_t offset = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (step[i] <= 0) return nullptr;
    const bool from_start = mask && mask->tensor->view().at(static_cast<int64_t>(i)) != 0;
    const int64_t first = from_start ? 0 : begin[i] < 0 ? begin[i] + x[i] : begin[i];
    offset += std::clamp<int64_t>(first, 0, x[i]) * strides[i];
    strides[i] *= step[i];
  }
  return copy(CopyPlan(shape, strides, dense_strides(shape), offset));
}

std::unique_ptr<Kernel> concat(const OpArgs& args) {
  const Type& out = args.op().outputs[0]->type;
  if (!has_four_bytes(out) || args.boolean("interleave", false)) return nullptr;
  const Shape strides = dense_strides(out.shape);
  const size_t axis = positive(args.integer("axis"), out.shape.size());
  std::vector<CopyPlan> plans;
  int64_t offset = 0;
  for (const Operand& operand : args.operands("values")) {
    const Shape& shape = operand.type().shape;
    plans.emplace_back(shape, dense_strides(shape), strides, 0, offset);
    offset += shape[axis] * strides[axis];
  }
  if (args.op().arguments[0].name != "values") return nullptr;
  return kernel_of([plans = std::move(plans)](const KernelRun& run) {
    for (size_t i = 0; i < plans.size(); ++i) {
      if (run.in[i].size() > 0) plans[i].run(run.pool, run.input(i), run.output());
    }
  });
}

std::unique_ptr<Kernel> split(const OpArgs& args) {
  if (!has_four_bytes(args.type("x"))) return nullptr;
  const Shape strides = dense_strides(args.shape("x"));
  const size_t axis = positive(args.integer("axis"), strides.size());
  std::vector<CopyPlan> plans;
  int64_t offset = 0;
  for (Value output : args.op().outputs) {
    const Shape& shape = output->type.shape;
    plans.emplace_back(shape, strides, dense_strides(shape), offset);
    offset += shape[axis] * strides[axis];
  }
  return kernel_of([plans = std::move(plans)](const KernelRun& run) {
    for (size_t i = 0; i < plans.size(); ++i) plans[i].run(run.pool, run.input(0), run.output(i));
  });
}

// With a constant around it.
std::unique_ptr<Kernel> pad(const OpArgs& args) {
  const Shape &x = args.shape("x"), &shape = args.op().outputs[0]->type.shape;
  if (args.type("x").dtype != DType::kFp32 || args.text("mode", "constant") != "constant") {
    return nullptr;
  }
  const std::vector<int64_t> amounts = args.integers("pad");
  const Shape strides = dense_strides(shape);
  const size_t first = x.size() - amounts.size() / 2;
  int64_t offset = 0;
  for (size_t i = first; i < x.size(); ++i) {
    if (amounts[2 * (i - first)] < 0 || amounts[2 * (i - first) + 1] < 0) return nullptr;
    offset += amounts[2 * (i - first)] * strides[i];
  }
  const auto value = static_cast<float>(args.number("constant_val", 0.0));
  return kernel_of(
      [value, plan = CopyPlan(x, dense_strides(x), strides, 0, offset)](const KernelRun& run) {
        constexpr size_t kGrain = 1 << 14;
        const auto size = static_cast<size_t>(run.out[0].size());
        run.pool.parallel_for(size, kGrain, [&](size_t begin, size_t end, int) {
          std::fill(run.output() + begin, run.output() + end, value);
        });
        if (run.in[0].size() > 0) plan.run(run.pool, run.input(0), run.output());
      });
}

}  // namespace

KernelFamily copy_kernels() {
  return {
      {"concat", concat},
      {"pad", pad},
      {"slice_by_index", slice_by_index},
      {"slice_by_size", slice_by_size},
      {"split", split},
      {"transpose", transpose},
  };
}

}  // namespace anemone
