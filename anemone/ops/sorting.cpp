// Order along an axis: topk, argsort, non_zero.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/indexing.h"

namespace anemone {
namespace {

constexpr Param kTopk[] = {
    param("x", Accepts::kAny),
    optional_const("k", Accepts::kInteger),
    optional_const("axis", Accepts::kInteger),
    optional_const("ascending", Accepts::kBool),
    optional_const("sort", Accepts::kBool),
    optional_const("return_indices", Accepts::kBool),
    optional_const("output_indices_dtype", Accepts::kString),
};
constexpr Param kArgsort[] = {param("x", Accepts::kAny), optional_const("axis", Accepts::kInteger),
                              optional_const("ascending", Accepts::kBool)};
constexpr Param kNonZero[] = {param("x", Accepts::kAny)};

// Positions in a row of numbers that lie `step` apart, the first `count` in order. NaN comes last,
// in either direction, and equal numbers keep their order.
class RowOrder {
 public:
  RowOrder(const TensorView& x, int64_t size, int64_t step, bool ascending)
      : x_(x), step_(step), ascending_(ascending), numbers_(static_cast<size_t>(size)) {
    order_.resize(numbers_.size());
  }

  const std::vector<int64_t>& first(int64_t start, int64_t count) {
    for (size_t i = 0; i < numbers_.size(); ++i) {
      numbers_[i] = x_.at(start + static_cast<int64_t>(i) * step_);
    }
    std::iota(order_.begin(), order_.end(), 0);
    std::partial_sort(order_.begin(), order_.begin() + count, order_.end(),
                      [&](int64_t a, int64_t b) { return comes_before(a, b); });
    return order_;
  }

 private:
  bool comes_before(int64_t a, int64_t b) const {
    const double x = numbers_[static_cast<size_t>(a)], y = numbers_[static_cast<size_t>(b)];
    if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
    if (x == y || std::isnan(x)) return a < b;
    return ascending_ ? x < y : x > y;
  }

  const TensorView& x_;
  int64_t step_;
  bool ascending_;
  std::vector<double> numbers_;
  std::vector<int64_t> order_;
};

size_t axis_of(const OpArgs& args) {
  return args.axis(args.integer("axis", -1), args.shape("x").size(), args.op().type + ".c1");
}

int64_t topk_count(const OpArgs& args) {
  const int64_t size = args.shape("x")[axis_of(args)], k = args.integer("k", 1);
  if (k == -1 && args.since(Opset::kIos17)) return size;
  args.require(k >= 1 && k <= size, "topk.c2: k {} is not from 1 to {}, the size of the axis", k,
               size);
  return k;
}

bool returns_indices(const OpArgs& args) { return args.boolean("return_indices", true); }

DType indices_dtype(const OpArgs& args, int64_t size) {
  const std::string dtype = args.text("output_indices_dtype", "int32");
  args.require(dtype == "int32" || dtype == "uint16",
               "topk.c3: 'output_indices_dtype' {} is not int32 or uint16", dtype);
  args.require(dtype == "int32" || size <= 65536,
               "topk.c4: positions in an axis of size {} do not fit uint16", size);
  return dtype == "int32" ? DType::kInt32 : DType::kUInt16;
}

std::vector<Type> infer_topk(const OpArgs& args) {
  const size_t axis = axis_of(args);
  Type values = args.type("x");
  const int64_t size = values.shape[axis];
  values.shape[axis] = topk_count(args);
  args.boolean("ascending", false);
  args.boolean("sort", true);
  if (!returns_indices(args)) {
    args.require(!args.has("output_indices_dtype"),
                 "topk.c3: 'output_indices_dtype' is given, but no indices are returned");
    return {values};
  }
  return {values, Type::tensor(indices_dtype(args, size), values.shape)};
}

// Calls place(position among the results, position in x, index) for each of the first `count`.
template <typename Place>
void order_rows(const EvalArgs& args, int64_t count, Place&& place) {
  const TensorView& x = args.in("x");
  const AxisSplit split = split_at(x.shape, axis_of(args));
  RowOrder order(x, split.size, split.inner, args.boolean("ascending", false));
  for (int64_t row = 0; row < split.outer * split.inner; ++row) {
    const int64_t outer = row / split.inner, inner = row % split.inner;
    const int64_t start = outer * split.size * split.inner + inner;
    const auto& first = order.first(start, count);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t index = first[static_cast<size_t>(i)];
      place((outer * count + i) * split.inner + inner, start + index * split.inner, index);
    }
  }
}

void eval_topk(const EvalArgs& args) {
  const TensorView& x = args.in("x");
  const bool with_indices = returns_indices(args);
  order_rows(args, topk_count(args), [&](int64_t to, int64_t from, int64_t index) {
    args.out().set(to, x.at(from));
    if (with_indices) args.out(1).set(to, static_cast<double>(index));
  });
}

Value argsort(Builder& b, const OpArgs& args, Value x) {
  return b.op("argsort", {{"x", x},
                          {"axis", b.integer(static_cast<int64_t>(axis_of(args)))},
                          {"ascending", b.boolean(args.boolean("ascending", false))}});
}

// Puts the gradient of each value where it was taken from.
Grads grad_topk(GradArgs& args) {
  Builder& b = args.builder;
  if (!args.doutput()) return {};
  const Value x = args.value("x");
  const Value indices = returns_indices(args)
                            ? args.output(1)
                            : b.slice_by_size(argsort(b, args, x), Shape(x->type.rank(), 0),
                                              args.output()->type.shape);
  return {{x, scatter(b, "scatter_along_axis", b.full_like(x, 0), indices, args.doutput(),
                      static_cast<int64_t>(axis_of(args)), "add")}};
}

std::vector<Type> infer_argsort(const OpArgs& args) {
  axis_of(args);
  args.boolean("ascending", false);
  return {Type::tensor(DType::kInt32, args.shape("x"))};
}

void eval_argsort(const EvalArgs& args) {
  order_rows(args, args.in("x").shape[axis_of(args)], [&](int64_t to, int64_t, int64_t index) {
    args.out().set(to, static_cast<double>(index));
  });
}

int64_t count_non_zero(const TensorView& x) {
  int64_t count = 0;
  for (int64_t i = 0; i < x.size(); ++i) count += x.at(i) != 0;
  return count;
}

// How many there are is known beforehand only of a constant.
std::vector<Type> infer_non_zero(const OpArgs& args) {
  const Literal* literal = Operation::constant(args.operand("x"));
  if (!literal || !literal->tensor) {
    args.refuse("non_zero.c1: how many elements of x are not zero depends on their values",
                "every size must be known before the program runs; x may be a constant");
  }
  args.require(!literal->type.shape.empty(), "non_zero.c2: a scalar has no positions");
  return {Type::tensor(DType::kInt32, {count_non_zero(*literal->tensor),
                                       static_cast<int64_t>(literal->type.rank())})};
}

void eval_non_zero(const EvalArgs& args) {
  const TensorView& x = args.in("x");
  const Shape strides = row_major_strides(x.shape);
  args.require(count_non_zero(x) == args.out().shape[0],
               "non_zero.c1: x is not the constant it was");
  int64_t next = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    if (x.at(i) == 0) continue;
    for (size_t axis = 0; axis < strides.size(); ++axis) {
      args.out().set(next++, static_cast<double>(i / strides[axis] % x.shape[axis]));
    }
  }
}

const OpDef kOps[] = {
    {.name = "topk", .params = kTopk, .infer = infer_topk, .eval = eval_topk, .grad = grad_topk},
    {.name = "argsort", .params = kArgsort, .infer = infer_argsort, .eval = eval_argsort},
    {.name = "non_zero", .params = kNonZero, .infer = infer_non_zero, .eval = eval_non_zero},
};

}  // namespace

std::span<const OpDef> sorting_ops() { return kOps; }

}  // namespace anemone
