// Matrix products: matmul and linear.
#include <algorithm>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kMatmul[] = {param("x", Accepts::kNumber), param("y", Accepts::kNumber),
                             optional_const("transpose_x", Accepts::kBool),
                             optional_const("transpose_y", Accepts::kBool)};
constexpr Param kLinear[] = {param("x", Accepts::kNumber), param("weight", Accepts::kNumber),
                             optional_param("bias", Accepts::kNumber)};

void require_dtype(const OpArgs& args, const char* name, const char* like) {
  args.require(args.go_together(name, like), "{}.c1: '{}' is {} and '{}' is {}; cast one of them",
               args.op().type, like, anemone::name(args.type(like).dtype), name,
               anemone::name(args.type(name).dtype));
}

// The operands of a matmul as stacks of matrices: rank 1 is given the axis it lacks.
struct Product {
  Shape x, y;              // as stored, with the axis
  Shape x_batch, y_batch;  // their leading axes
  Shape batch;             // broadcast
  bool transpose_x = false, transpose_y = false;
  int64_t m = 0, k = 0, n = 0;
};

Shape leading(const Shape& shape, size_t dropped) {
  return Shape(shape.begin(), shape.end() - static_cast<int64_t>(dropped));
}

void append(Shape& shape, std::initializer_list<int64_t> sizes) {
  shape.insert(shape.end(), sizes.begin(), sizes.end());
}

Product product_of(const OpArgs& args) {
  Product p;
  p.x = args.shape("x");
  p.y = args.shape("y");
  p.transpose_x = args.boolean("transpose_x", false);
  p.transpose_y = args.boolean("transpose_y", false);
  args.require(!p.x.empty() && !p.y.empty(), "matmul.c2: operands need an axis");
  args.require(p.x.size() > 1 || !p.transpose_x, "matmul.c3: x of rank 1 cannot be transposed");
  args.require(p.y.size() > 1 || !p.transpose_y, "matmul.c3: y of rank 1 cannot be transposed");
  if (p.x.size() == 1) p.x.insert(p.x.begin(), 1);
  if (p.y.size() == 1) p.y.push_back(1);
  p.x_batch = leading(p.x, 2);
  p.y_batch = leading(p.y, 2);
  const int64_t *xs = &p.x[p.x.size() - 2], *ys = &p.y[p.y.size() - 2];
  p.m = xs[p.transpose_x ? 1 : 0];
  p.k = xs[p.transpose_x ? 0 : 1];
  p.n = ys[p.transpose_y ? 0 : 1];
  args.require(p.k == ys[p.transpose_y ? 1 : 0], "matmul.c4: inner sizes {} and {} differ", p.k,
               ys[p.transpose_y ? 1 : 0]);
  p.batch = broadcast_shapes(args, p.x_batch, p.y_batch, "matmul.c5");
  return p;
}

std::vector<Type> infer_matmul(const OpArgs& args) {
  require_dtype(args, "y", "x");
  const Product p = product_of(args);
  Shape shape = p.batch;
  if (args.shape("x").size() > 1) shape.push_back(p.m);
  if (args.shape("y").size() > 1) shape.push_back(p.n);
  return {Type::tensor(args.type("x").dtype, shape)};
}

// A matrix somewhere in memory: element (i, j) is data[i * row + j * column].
template <typename T>
struct Matrix {
  const T* data;
  int64_t row, column;
};

template <typename T>
Matrix<T> matrix(const T* data, int64_t rows, int64_t columns, bool transposed) {
  return transposed ? Matrix<T>{data, 1, rows} : Matrix<T>{data, columns, 1};
}

// out[m, n] = x[m, k] y[k, n]. Floats add up in fp64; integers wrap.
template <typename T>
void multiply(Matrix<T> x, Matrix<T> y, T* out, int64_t m, int64_t k, int64_t n) {
  using Wide = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
  std::vector<Wide> sums(static_cast<size_t>(n));
  for (int64_t i = 0; i < m; ++i) {
    std::fill(sums.begin(), sums.end(), Wide{});
    for (int64_t inner = 0; inner < k; ++inner) {
      const auto factor = static_cast<Wide>(x.data[i * x.row + inner * x.column]);
      const T* row = y.data + inner * y.row;
      for (int64_t j = 0; j < n; ++j) {
        sums[static_cast<size_t>(j)] += factor * static_cast<Wide>(row[j * y.column]);
      }
    }
    for (Wide sum : sums) *out++ = static_cast<T>(sum);
  }
}

// Where each matrix of the broadcast batch starts in an operand with `batch` leading axes.
std::vector<int64_t> batch_starts(const Shape& batch, const Shape& target, int64_t matrix_size) {
  std::vector<int64_t> starts;
  for_each_offset(target, broadcast_strides(batch, target),
                  [&](int64_t, int64_t offset) { starts.push_back(offset * matrix_size); });
  return starts;
}

void eval_matmul(const EvalArgs& args) {
  const Product p = product_of(args);
  const auto x_starts = batch_starts(p.x_batch, p.batch, p.m * p.k);
  const auto y_starts = batch_starts(p.y_batch, p.batch, p.k * p.n);
  with_number(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const T *x = args.in("x").as<T>().data(), *y = args.in("y").as<T>().data();
    T* out = args.out().as<T>().data();
    for (size_t i = 0; i < x_starts.size(); ++i, out += p.m * p.n) {
      multiply(matrix(x + x_starts[i], p.m, p.k, p.transpose_x),
               matrix(y + y_starts[i], p.k, p.n, p.transpose_y), out, p.m, p.k, p.n);
    }
  });
}

// x [m, k], y [k, n], dy [m, n]: dx = dy y^T and dy = x^T dy, in the orientation they are stored.
Grads grad_matmul(GradArgs& args) {
  Builder& b = args.builder;
  const Product p = product_of(args);
  Shape full = p.batch;
  append(full, {p.m, p.n});
  const Value g = b.reshape(args.doutput(), full);
  Grads grads;
  const auto give = [&](const char* name, Value gradient, const Shape& with_axis) {
    const Value summed = b.reshape(b.sum_to_shape(gradient, with_axis), args.shape(name));
    grads.emplace_back(args.value(name), b.in_type(summed, args.type(name).dtype));
  };
  if (args.wants("x")) {
    const Value y = b.in_type(b.reshape(args.value("y"), p.y), g->type.dtype);
    give(
        "x",
        p.transpose_x ? b.matmul(y, g, p.transpose_y, true) : b.matmul(g, y, false, !p.transpose_y),
        p.x);
  }
  if (args.wants("y")) {
    const Value x = b.reshape(args.value("x"), p.x);
    give(
        "y",
        p.transpose_y ? b.matmul(g, x, true, p.transpose_x) : b.matmul(x, g, !p.transpose_x, false),
        p.y);
  }
  return grads;
}

double flops_matmul(const OpArgs& args) {
  const Product p = product_of(args);
  return 2.0 * static_cast<double>(element_count(p.batch)) * static_cast<double>(p.m) *
         static_cast<double>(p.k) * static_cast<double>(p.n);
}

std::vector<Type> infer_linear(const OpArgs& args) {
  require_dtype(args, "weight", "x");
  const Shape &x = args.shape("x"), &weight = args.shape("weight");
  args.require(weight.size() == 2, "linear.c2: weight {} is not [O, I]", to_string(weight));
  args.require(!x.empty() && x.back() == weight[1],
               "linear.c3: the last axis of x {} is not the {} columns of the weight", to_string(x),
               weight[1]);
  if (args.has("bias")) {
    require_dtype(args, "bias", "x");
    args.require(args.shape("bias") == Shape{weight[0]}, "linear.c4: bias {} is not [{}]",
                 to_string(args.shape("bias")), weight[0]);
  }
  Shape shape = leading(x, 1);
  shape.push_back(weight[0]);
  return {Type::tensor(args.type("x").dtype, shape)};
}

void eval_linear(const EvalArgs& args) {
  const int64_t columns = args.shape("weight")[1], rows = args.shape("weight")[0];
  const int64_t count = element_count(args.shape("x")) / columns;
  with_number(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto out = args.out().as<T>();
    multiply(matrix(args.in("x").as<T>().data(), count, columns, false),
             matrix(args.in("weight").as<T>().data(), columns, rows, true), out.data(), count,
             columns, rows);
    if (!args.has("bias")) return;
    const auto bias = args.in("bias").as<T>();
    for (size_t i = 0; i < out.size(); ++i) {
      const T addend = bias[i % bias.size()];
      if constexpr (std::is_integral_v<T>) {
        out[i] = static_cast<T>(int64_t{out[i]} + addend);
      } else {
        out[i] += addend;
      }
    }
  });
}

// `value` as [rows, last axis].
Value as_rows(Builder& b, Value value) {
  const int64_t columns = value->type.shape.back();
  return b.reshape(value, {element_count(value->type.shape) / columns, columns});
}

Grads grad_linear(GradArgs& args) {
  Builder& b = args.builder;
  const Value g = args.doutput();
  Grads grads;
  const auto give = [&](const char* name, Value gradient) {
    grads.emplace_back(args.value(name), b.in_type(gradient, args.type(name).dtype));
  };
  if (args.wants("x")) {
    give("x", b.matmul(g, b.in_type(args.value("weight"), g->type.dtype)));
  }
  if (args.wants("weight")) {
    give("weight", b.matmul(as_rows(b, g), as_rows(b, args.value("x")), true));
  }
  if (args.wants("bias")) give("bias", b.sum_to_shape(g, args.shape("bias")));
  return grads;
}

double flops_linear(const OpArgs& args) {
  return 2.0 * static_cast<double>(element_count(args.shape("x"))) *
         static_cast<double>(args.shape("weight")[0]);
}

const OpDef kOps[] = {
    {.name = "matmul",
     .params = kMatmul,
     .infer = infer_matmul,
     .eval = eval_matmul,
     .grad = grad_matmul,
     .flops = flops_matmul,
     .traits = Trait::kProduct},
    {.name = "linear",
     .params = kLinear,
     .infer = infer_linear,
     .eval = eval_linear,
     .grad = grad_linear,
     .flops = flops_linear,
     .traits = Trait::kProduct},
};

}  // namespace

std::span<const OpDef> linear_ops() { return kOps; }

}  // namespace anemone
