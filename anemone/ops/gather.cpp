// Picking by index: gather, gather_along_axis and gather_nd.
#include <algorithm>
#include <cstring>

#include "anemone/ops/families.h"
#include "anemone/ops/indexing.h"

namespace anemone {

int64_t checked_index(const EvalArgs& args, const TensorView& indices, int64_t position,
                      int64_t size, std::string_view rule) {
  const double index = indices.at(position);
  args.require(index >= static_cast<double>(-size) && index < static_cast<double>(size),
               "{}: index {} at position {} is outside an axis of size {}", rule, index, position,
               size);
  const auto whole = static_cast<int64_t>(index);
  return whole < 0 ? whole + size : whole;
}

int64_t checked_place(const EvalArgs& args, const TensorView& indices, int64_t tuple,
                      const Shape& shape, std::string_view rule) {
  const auto depth = static_cast<int64_t>(shape.size());
  int64_t place = 0;
  for (int64_t i = 0; i < depth; ++i) {
    const int64_t size = shape[static_cast<size_t>(i)];
    place = place * size + checked_index(args, indices, tuple * depth + i, size, rule);
  }
  return place;
}

bool equal_off_axis(const Shape& a, const Shape& b, size_t axis) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (i != axis && a[i] != b[i]) return false;
  }
  return true;
}

Value scatter(Builder& b, std::string_view op, Value data, Value indices, Value updates,
              int64_t axis, std::string_view mode) {
  return b.op(op, {{"data", data},
                   {"indices", indices},
                   {"updates", updates},
                   {"axis", b.integer(axis)},
                   {"mode", b.text(std::string(mode))}});
}

Value scatter_nd(Builder& b, Value data, Value indices, Value updates, std::string_view mode) {
  return b.op("scatter_nd", {{"data", data},
                             {"indices", indices},
                             {"updates", updates},
                             {"mode", b.text(std::string(mode))}});
}

Value gather(Builder& b, std::string_view op, Value x, Value indices, int64_t axis) {
  return b.op(op, {{"x", x}, {"indices", indices}, {"axis", b.integer(axis)}});
}

namespace {

constexpr Param kGather[] = {param("x", Accepts::kAny), param("indices", Accepts::kInteger),
                             optional_const("axis", Accepts::kInteger),
                             optional_const("batch_dims", Accepts::kInteger),
                             optional_const("validate_indices", Accepts::kBool)};
constexpr Param kAlongAxis[] = {param("x", Accepts::kAny), param("indices", Accepts::kInteger),
                                optional_const("axis", Accepts::kInteger),
                                optional_const("validate_indices", Accepts::kBool)};

constexpr Param kNd[] = {param("x", Accepts::kAny), param("indices", Accepts::kInteger),
                         optional_const("batch_dims", Accepts::kInteger),
                         optional_const("validate_indices", Accepts::kBool)};

// x as [batch, outer, size, inner], indices as [batch, count].
struct Gather {
  size_t axis = 0, batch_dims = 0;
  int64_t batch = 1, outer = 1, size = 1, inner = 1, count = 1;
};

Gather gather_of(const OpArgs& args) {
  const Shape &x = args.shape("x"), &indices = args.shape("indices");
  Gather g;
  g.axis = args.axis(args.integer("axis", 0), x.size(), "gather.c1");
  const int64_t batch_dims = args.integer("batch_dims", 0);
  const size_t most = std::min(g.axis, indices.size());
  args.require(batch_dims >= 0 && batch_dims <= static_cast<int64_t>(most),
               "gather.c2: {} batch axes, at most {} can be", batch_dims, most);
  g.batch_dims = static_cast<size_t>(batch_dims);
  for (size_t i = 0; i < g.batch_dims; ++i) {
    args.require(x[i] == indices[i], "gather.c3: batch axis {} is {} in x and {} in indices", i,
                 x[i], indices[i]);
    g.batch *= x[i];
  }
  const AxisSplit split = split_at(x, g.axis);
  g.outer = split.outer / g.batch;
  g.size = split.size;
  g.inner = split.inner;
  g.count = element_count(indices) / g.batch;
  return g;
}

std::vector<Type> infer_gather(const OpArgs& args) {
  const Gather g = gather_of(args);
  const Shape &x = args.shape("x"), &indices = args.shape("indices");
  const auto axis = static_cast<int64_t>(g.axis);
  Shape shape(x.begin(), x.begin() + axis);
  shape.insert(shape.end(), indices.begin() + static_cast<int64_t>(g.batch_dims), indices.end());
  shape.insert(shape.end(), x.begin() + axis + 1, x.end());
  return {Type::tensor(args.type("x").dtype, shape)};
}

void eval_gather(const EvalArgs& args) {
  const Gather g = gather_of(args);
  const TensorView &x = args.in("x"), &indices = args.in("indices");
  const size_t bytes = byte_size(x.dtype, g.inner);
  const auto* from = static_cast<const char*>(x.data);
  auto* to = static_cast<char*>(args.out().data);
  for (int64_t outer = 0; outer < g.batch * g.outer; ++outer) {
    const int64_t first = outer / g.outer * g.count;
    for (int64_t i = 0; i < g.count; ++i, to += bytes) {
      const int64_t index = checked_index(args, indices, first + i, g.size, "gather.c4");
      std::memcpy(to, from + static_cast<size_t>(outer * g.size + index) * bytes, bytes);
    }
  }
}

// Indices into [batch * size] for indices [batch, count] into [batch, size].
Value flat_indices(Builder& b, Value indices, const Gather& g) {
  if (indices->type.dtype != DType::kInt32) indices = b.cast(indices, DType::kInt32);
  if (g.batch == 1) return b.reshape(indices, {g.count});
  std::vector<int32_t> starts;
  for (int64_t i = 0; i < g.batch; ++i) starts.push_back(static_cast<int32_t>(i * g.size));
  const Value rows = b.reshape(indices, {g.batch, g.count});
  const Value wrapped = b.binary("mod", rows, b.integer(g.size));  // negative ones made positive
  const Value start = b.constant(Tensor::of<int32_t>({g.batch, 1}, starts));
  return b.reshape(b.add(wrapped, start), {g.batch * g.count});
}

// Adds every row of dy where it was picked. Batches are laid one after another for it.
Grads grad_gather(GradArgs& args) {
  Builder& b = args.builder;
  const Gather g = gather_of(args);
  const Value indices = flat_indices(b, args.value("indices"), g);
  const DType dtype = args.doutput()->type.dtype;
  if (g.batch == 1) {
    const Value x = args.value("x");
    const size_t axis = args.axis(args.integer("axis", 0), x->type.rank(), "gather.c1");
    Shape picked = x->type.shape;
    picked[axis] = g.count;
    return {{x, scatter(b, "scatter", b.full_like(x, 0), indices, b.reshape(args.doutput(), picked),
                        static_cast<int64_t>(axis), "add")}};
  }
  const Value dy = b.reshape(args.doutput(), {g.batch, g.outer, g.count, g.inner});
  const Value updates =
      b.reshape(b.transpose(dy, {0, 2, 1, 3}), {g.batch * g.count, g.outer, g.inner});
  const Value zeros = b.fill(dtype, {g.batch * g.size, g.outer, g.inner}, 0);
  const Value sums = scatter(b, "scatter", zeros, indices, updates, 0, "add");
  const Value dx = b.transpose(b.reshape(sums, {g.batch, g.size, g.outer, g.inner}), {0, 2, 1, 3});
  return {{args.value("x"), b.reshape(dx, args.shape("x"))}};
}

size_t along_axis(const OpArgs& args) {
  return args.axis(args.integer("axis", 0), args.shape("x").size(), "gather_along_axis.c1");
}

std::vector<Type> infer_along_axis(const OpArgs& args) {
  const Shape &x = args.shape("x"), &indices = args.shape("indices");
  const size_t axis = along_axis(args);
  args.require(equal_off_axis(x, indices, axis),
               "gather_along_axis.c2: x {} and indices {} differ off axis {}", to_string(x),
               to_string(indices), axis);
  return {Type::tensor(args.type("x").dtype, indices)};
}

void eval_along_axis(const EvalArgs& args) {
  const TensorView &x = args.in("x"), &indices = args.in("indices");
  const size_t axis = along_axis(args);
  const AxisSplit split = split_at(x.shape, axis);
  const int64_t picks = indices.shape[axis];
  const auto bytes = static_cast<size_t>(bits(x.dtype)) / 8;
  const auto* from = static_cast<const char*>(x.data);
  auto* to = static_cast<char*>(args.out().data);
  for (int64_t i = 0; i < indices.size(); ++i, to += bytes) {
    const int64_t index = checked_index(args, indices, i, split.size, "gather_along_axis.c3");
    const int64_t outer = i / (picks * split.inner), inner = i % split.inner;
    const int64_t source = (outer * split.size + index) * split.inner + inner;
    std::memcpy(to, from + static_cast<size_t>(source) * bytes, bytes);
  }
}

Grads grad_along_axis(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  return {{x, scatter(b, "scatter_along_axis", b.full_like(x, 0), args.value("indices"),
                      args.doutput(), static_cast<int64_t>(along_axis(args)), "add")}};
}

// x as [batch, picked axes, inner], indices as [batch, count, number of picked axes].
struct GatherNd {
  size_t batch_dims = 0;
  Shape picked;
  int64_t batch = 1, inner = 1, count = 1;
};

GatherNd gather_nd_of(const OpArgs& args) {
  const Shape &x = args.shape("x"), &indices = args.shape("indices");
  args.require(!indices.empty(), "gather_nd.c1: indices are a scalar");
  const int64_t batch_dims = args.integer("batch_dims", 0), depth = indices.back();
  const auto rank = static_cast<int64_t>(x.size());
  args.require(batch_dims >= 0 && batch_dims < static_cast<int64_t>(indices.size()) &&
                   depth <= rank - batch_dims,
               "gather_nd.c2: {} batch axes and {} indices each do not fit x {} and indices {}",
               batch_dims, depth, to_string(x), to_string(indices));
  GatherNd g;
  g.batch_dims = static_cast<size_t>(batch_dims);
  for (size_t i = 0; i < g.batch_dims; ++i) {
    args.require(x[i] == indices[i], "gather_nd.c3: batch axis {} is {} in x and {} in indices", i,
                 x[i], indices[i]);
    g.batch *= x[i];
  }
  g.picked = Shape(x.begin() + batch_dims, x.begin() + batch_dims + depth);
  g.inner = element_count(Shape(x.begin() + batch_dims + depth, x.end()));
  g.count = element_count(indices) / depth / g.batch;
  return g;
}

std::vector<Type> infer_nd(const OpArgs& args) {
  const GatherNd g = gather_nd_of(args);
  const Shape &x = args.shape("x"), &indices = args.shape("indices");
  Shape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), x.begin() + static_cast<int64_t>(g.batch_dims + g.picked.size()),
               x.end());
  return {Type::tensor(args.type("x").dtype, shape)};
}

void eval_nd(const EvalArgs& args) {
  const GatherNd g = gather_nd_of(args);
  const TensorView &x = args.in("x"), &indices = args.in("indices");
  const size_t bytes = byte_size(x.dtype, g.inner);
  const int64_t size = element_count(g.picked);
  const auto* from = static_cast<const char*>(x.data);
  auto* to = static_cast<char*>(args.out().data);
  for (int64_t i = 0; i < g.batch * g.count; ++i, to += bytes) {
    const int64_t row =
        i / g.count * size + checked_place(args, indices, i, g.picked, "gather_nd.c4");
    std::memcpy(to, from + static_cast<size_t>(row) * bytes, bytes);
  }
}

// Indices with those of the batch axes in front, so that none is left for scatter_nd.
Value full_indices(Builder& b, Value indices, const GatherNd& g) {
  if (indices->type.dtype != DType::kInt32) indices = b.cast(indices, DType::kInt32);
  if (g.batch_dims == 0) return indices;
  Shape shape = indices->type.shape;
  shape.back() = static_cast<int64_t>(g.batch_dims);
  const Shape strides = row_major_strides(shape);
  std::vector<int32_t> numbers;
  for (int64_t i = 0; i < element_count(shape); ++i) {
    const auto axis = static_cast<size_t>(i % shape.back());
    numbers.push_back(static_cast<int32_t>(i / strides[axis] % shape[axis]));
  }
  return b.concat({b.constant(Tensor::of<int32_t>(shape, numbers)), indices}, -1);
}

Grads grad_nd(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  const Value indices = full_indices(b, args.value("indices"), gather_nd_of(args));
  return {{x, scatter_nd(b, b.full_like(x, 0), indices, args.doutput(), "add")}};
}

const OpDef kOps[] = {
    {.name = "gather",
     .params = kGather,
     .infer = infer_gather,
     .eval = eval_gather,
     .grad = grad_gather},
    {.name = "gather_along_axis",
     .params = kAlongAxis,
     .infer = infer_along_axis,
     .eval = eval_along_axis,
     .grad = grad_along_axis},
    {.name = "gather_nd", .params = kNd, .infer = infer_nd, .eval = eval_nd, .grad = grad_nd},
};

}  // namespace

std::span<const OpDef> gather_ops() { return kOps; }

}  // namespace anemone
