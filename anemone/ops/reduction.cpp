// Sums, means, extremes and norms over axes, and the positions of extremes.
#include <cmath>
#include <limits>

#include "anemone/base/arithmetic.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

constexpr Param kReduce[] = {param("x", Accepts::kNumber),
                             optional_const("axes", Accepts::kInteger),
                             optional_const("keep_dims", Accepts::kBool)};
constexpr Param kArg[] = {param("x", Accepts::kNumber), optional_const("axis", Accepts::kInteger),
                          optional_const("keep_dims", Accepts::kBool),
                          optional_const("output_dtype", Accepts::kString)};

std::vector<size_t> reduced_axes(const OpArgs& args) {
  const size_t rank = args.shape("x").size();
  if (args.has("axes")) {
    return distinct_axes(args, args.integers("axes"), rank, args.op().type + ".c1");
  }
  std::vector<size_t> all(rank);
  for (size_t i = 0; i < rank; ++i) all[i] = i;
  return all;
}

// x's shape with the reduced axes of size 1.
Shape kept_shape(const OpArgs& args) {
  Shape shape = args.shape("x");
  for (size_t axis : reduced_axes(args)) shape[axis] = 1;
  return shape;
}

std::vector<Type> infer_reduce(const OpArgs& args) {
  Shape shape = kept_shape(args);
  if (!args.boolean("keep_dims", false)) {
    for (size_t axis : reduced_axes(args)) shape[axis] = 0;
    std::erase(shape, 0);
  }
  return {Type::tensor(args.type("x").dtype, shape)};
}

// Elements that go into one result.
int64_t reduced_count(const OpArgs& args) {
  return element_count(args.shape("x")) / element_count(kept_shape(args));
}

// What sums are carried in: floats in fp64, integers modulo 2^64, so that they wrap.
struct Wrapping {
  uint64_t bits;

  Wrapping(int64_t value) : bits(static_cast<uint64_t>(value)) {}  // NOLINT: a number in disguise
  friend Wrapping operator+(Wrapping a, Wrapping b) { return of(a.bits + b.bits); }
  friend Wrapping operator*(Wrapping a, Wrapping b) { return of(a.bits * b.bits); }
  explicit operator double() const { return static_cast<double>(static_cast<int64_t>(bits)); }
  static Wrapping of(uint64_t bits) { return Wrapping(static_cast<int64_t>(bits)); }
};
template <typename T>
using Sum = std::conditional_t<std::is_integral_v<T>, Wrapping, double>;

template <typename T>
T result_of(double value) {
  if constexpr (std::is_integral_v<T>) return wrap_to<T>(value);
  if constexpr (!std::is_integral_v<T>) return static_cast<T>(value);
}
template <typename T>
T result_of(Wrapping value) {
  return static_cast<T>(value.bits);
}

// Calls visit(index of the result, element of x) for all of x.
template <typename T, typename Visit>
void visit_elements(const EvalArgs& args, Visit&& visit) {
  const TensorView& x = args.in("x");
  const Shape strides = broadcast_strides(kept_shape(args), x.shape);
  const T* elements = x.as<T>().data();
  for_each_offset(x.shape, strides, [&](int64_t i, int64_t result) {
    visit(static_cast<size_t>(result), elements[i]);
  });
}

// out = finish(step(… step(step(initial, x0), x1) …)) in Sum<T>.
template <typename Step, typename Finish>
void fold(const EvalArgs& args, int initial, Step&& step, Finish&& finish) {
  with_number(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    std::vector<Sum<T>> results(static_cast<size_t>(args.out().size()), Sum<T>(initial));
    visit_elements<T>(args, [&](size_t i, T x) { results[i] = step(results[i], Sum<T>(x)); });
    const auto out = args.out().as<T>();
    for (size_t i = 0; i < results.size(); ++i) out[i] = result_of<T>(finish(results[i]));
  });
}

constexpr auto kSum = [](auto sum, auto x) { return sum + x; };
constexpr auto kSumSquare = [](auto sum, auto x) { return sum + x * x; };
double magnitude(double x) { return std::abs(x); }
Wrapping magnitude(Wrapping x) {
  return static_cast<int64_t>(x.bits) < 0 ? Wrapping::of(0 - x.bits) : x;
}
constexpr auto kSame = [](auto x) { return x; };

// out = the extreme of each result's elements.
template <typename Better>
void extreme(const EvalArgs& args, Better&& better) {
  with_number(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto out = args.out().as<T>();
    std::vector<bool> has(out.size(), false);
    visit_elements<T>(args, [&](size_t i, T x) {
      out[i] = has[i] ? better(out[i], x) : x;
      has[i] = true;
    });
  });
}

// The largest element is taken out before exp, so that an infinite one gives NaN (coremltools 9).
void eval_log_sum_exp(const EvalArgs& args) {
  with_number(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto out = args.out().as<T>();
    std::vector<double> largest(out.size(), -std::numeric_limits<double>::infinity());
    visit_elements<T>(
        args, [&](size_t i, T x) { largest[i] = maximum(largest[i], static_cast<double>(x)); });
    std::vector<double> sums(out.size(), 0);
    visit_elements<T>(
        args, [&](size_t i, T x) { sums[i] += std::exp(static_cast<double>(x) - largest[i]); });
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = result_of<T>(largest[i] + std::log(sums[i]));
    }
  });
}

// The result and its gradient under shapes that broadcast against x.
Value kept_output(GradArgs& args) { return args.builder.reshape(args.output(), kept_shape(args)); }
Value kept_doutput(GradArgs& args) {
  return args.builder.reshape(args.doutput(), kept_shape(args));
}

Grads spread_gradient(GradArgs& args, Value kept) {
  return {{args.value("x"), tile_to_shape(args.builder, kept, args.shape("x"))}};
}

Grads grad_sum(GradArgs& args) { return spread_gradient(args, kept_doutput(args)); }

Grads grad_mean(GradArgs& args) {
  const double share = 1.0 / static_cast<double>(reduced_count(args));
  return spread_gradient(args, args.builder.mul(kept_doutput(args), share));
}

std::vector<int64_t> axis_numbers(const OpArgs& args) {
  const std::vector<size_t> axes = reduced_axes(args);
  return {axes.begin(), axes.end()};
}

// Equal extremes share the gradient equally.
Grads grad_extreme(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  const Value chosen = as_number(b, b.binary("equal", x, kept_output(args)), x);
  const Value count = b.reduce_sum(chosen, axis_numbers(args), true);
  return {{x, b.mul(chosen, b.real_div(kept_doutput(args), count))}};
}

// dx = dy * (product of the others), which is y / x only where nothing is zero.
Grads grad_prod(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  const Value zero = as_number(b, b.binary("equal", x, b.scalar(x->type.dtype, 0)), x);
  const Value nonzero = b.add(x, zero);  // ones in place of zeros
  const Value product = b.reduce("reduce_prod", nonzero, axis_numbers(args), true);
  const Value other_zeros = b.sub(b.reduce_sum(zero, axis_numbers(args), true), zero);
  const Value alone = b.binary("equal", other_zeros, b.scalar(x->type.dtype, 0));
  const Value others = b.mul(b.real_div(product, nonzero), as_number(b, alone, x));
  return {{x, b.mul(others, kept_doutput(args))}};
}

Grads grad_l1(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  return {{x, b.mul(b.unary("sign", x), kept_doutput(args))}};
}

// dx = dy * x / y, and 0 where y is 0.
Grads grad_l2(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x"), y = kept_output(args);
  const Value zero = as_number(b, b.binary("equal", y, b.scalar(x->type.dtype, 0)), x);
  return {{x, b.mul(x, b.real_div(kept_doutput(args), b.add(y, zero)))}};
}

Grads grad_log_sum(GradArgs& args) {
  Builder& b = args.builder;
  const Value sum = b.reduce_sum(args.value("x"), axis_numbers(args), true);
  return spread_gradient(args, b.real_div(kept_doutput(args), sum));
}

Grads grad_log_sum_exp(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  return {{x, b.mul(b.unary("exp", b.sub(x, kept_output(args))), kept_doutput(args))}};
}

Grads grad_sum_square(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  return {{x, b.mul(b.mul(x, 2.0), kept_doutput(args))}};
}

double one_flop_an_element(const OpArgs& args) {
  return static_cast<double>(element_count(args.shape("x")));
}

size_t extreme_axis(const OpArgs& args) {
  return args.axis(args.integer("axis", -1), args.shape("x").size(), args.op().type + ".c1");
}

std::vector<Type> infer_arg(const OpArgs& args) {
  const size_t axis = extreme_axis(args);
  Shape shape = args.shape("x");
  const std::string dtype = args.text("output_dtype", "int32");
  args.require(dtype == "int32" || dtype == "uint16",
               "{}.c2: 'output_dtype' {} is not int32 or uint16", args.op().type, dtype);
  args.require(dtype == "int32" || shape[axis] <= 65536,
               "{}.c3: positions in an axis of size {} do not fit uint16", args.op().type,
               shape[axis]);
  if (args.boolean("keep_dims", false)) {
    shape[axis] = 1;
  } else {
    shape.erase(shape.begin() + static_cast<int64_t>(axis));
  }
  return {Type::tensor(dtype == "int32" ? DType::kInt32 : DType::kUInt16, shape)};
}

// Whether a is NaN, or better than b, which is no NaN: what takes the place of an earlier b.
template <typename T, typename Compare>
bool displaces(T a, T b, Compare&& compare) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(b)) return false;
    if (std::isnan(a)) return true;
  }
  return compare(a, b);
}

// The first extreme wins, and the first NaN over all numbers.
template <typename Better>
void eval_arg(const EvalArgs& args, Better&& better) {
  const TensorView& x = args.in("x");
  const AxisSplit split = split_at(x.shape, extreme_axis(args));
  with_number(x.dtype, [&](auto type) {
    const auto* elements = static_cast<const decltype(type)*>(x.data);
    for (int64_t i = 0; i < split.outer * split.inner; ++i) {
      const auto* row = elements + i / split.inner * split.size * split.inner + i % split.inner;
      int64_t best = 0;
      for (int64_t j = 1; j < split.size; ++j) {
        if (displaces(row[j * split.inner], row[best * split.inner], better)) best = j;
      }
      args.out().set(i, static_cast<double>(best));
    }
  });
}

#define REDUCE(op_name, gradient, ...) REDUCE_AS(op_name, Trait::kNone, gradient, __VA_ARGS__)
#define REDUCE_AS(op_name, kind, gradient, ...)                       \
  {                                                                   \
    .name = op_name, .params = kReduce, .infer = infer_reduce,        \
    .eval = [](const EvalArgs& a) { __VA_ARGS__; }, .grad = gradient, \
    .flops = one_flop_an_element, .traits = kind                      \
  }

const OpDef kOps[] = {
    REDUCE("reduce_sum", grad_sum, fold(a, 0, kSum, kSame)),
    REDUCE("reduce_mean", grad_mean, const auto count = static_cast<double>(reduced_count(a));
           fold(a, 0, kSum, [=](auto sum) { return static_cast<double>(sum) / count; })),
    REDUCE_AS("reduce_max", Trait::kExact, grad_extreme,
              extreme(a, [](auto x, auto y) { return maximum(x, y); })),
    REDUCE_AS("reduce_min", Trait::kExact, grad_extreme,
              extreme(a, [](auto x, auto y) { return minimum(x, y); })),
    REDUCE("reduce_prod", grad_prod,
           fold(
               a, 1, [](auto product, auto x) { return product * x; }, kSame)),
    REDUCE("reduce_l1_norm", grad_l1,
           fold(
               a, 0, [](auto sum, auto x) { return sum + magnitude(x); }, kSame)),
    REDUCE("reduce_l2_norm", grad_l2,
           fold(a, 0, kSumSquare, [](auto sum) { return std::sqrt(static_cast<double>(sum)); })),
    REDUCE("reduce_log_sum", grad_log_sum,
           fold(a, 0, kSum, [](auto sum) { return std::log(static_cast<double>(sum)); })),
    REDUCE("reduce_log_sum_exp", grad_log_sum_exp, eval_log_sum_exp(a)),
    REDUCE("reduce_sum_square", grad_sum_square, fold(a, 0, kSumSquare, kSame)),
    {.name = "reduce_argmax",
     .params = kArg,
     .infer = infer_arg,
     .eval = [](const EvalArgs& a) { eval_arg(a, [](auto x, auto y) { return x > y; }); },
     .flops = one_flop_an_element},
    {.name = "reduce_argmin",
     .params = kArg,
     .infer = infer_arg,
     .eval = [](const EvalArgs& a) { eval_arg(a, [](auto x, auto y) { return x < y; }); },
     .flops = one_flop_an_element},
};

#undef REDUCE
#undef REDUCE_AS

}  // namespace

std::span<const OpDef> reduction_ops() { return kOps; }

}  // namespace anemone
