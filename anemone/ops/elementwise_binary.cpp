// Arithmetic, comparisons and logic on two operands with numpy broadcasting, and select.
#include <algorithm>
#include <cmath>

#include "anemone/base/arithmetic.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kNumbers[] = {param("x", Accepts::kNumber), param("y", Accepts::kNumber)};
constexpr Param kBools[] = {param("x", Accepts::kBool), param("y", Accepts::kBool)};
constexpr Param kSelect[] = {param("cond", Accepts::kBool), param("a", Accepts::kAny),
                             param("b", Accepts::kAny)};

void require_same_dtype(const OpArgs& args, const char* first, const char* second) {
  args.require(args.type(first).dtype == args.type(second).dtype,
               "{}.c2: '{}' is {} and '{}' is {}; cast one of them", args.op().type, first,
               name(args.type(first).dtype), second, name(args.type(second).dtype));
}

Shape infer_shape(const OpArgs& args) {
  require_same_dtype(args, "x", "y");
  return broadcast_shapes(args, args.shape("x"), args.shape("y"), args.op().type + ".c1");
}

std::vector<Type> infer_arithmetic(const OpArgs& args) {
  return {Type::tensor(args.type("x").dtype, infer_shape(args))};
}

std::vector<Type> infer_comparison(const OpArgs& args) {
  return {Type::tensor(DType::kBool, infer_shape(args))};
}

// out[i] = f(x[i], y[i]) over the broadcast shape; operands of type T, results of type Out.
template <typename T, typename Out, typename F>
void zip(const EvalArgs& args, F&& f) {
  const TensorView &x = args.in("x"), &y = args.in("y"), &out = args.out();
  const auto xs = x.as<T>(), ys = y.as<T>();
  const auto outs = out.as<Out>();
  for_each_offset(out.shape, broadcast_strides(x.shape, out.shape),
                  [&](int64_t i, int64_t offset) { outs[i] = static_cast<Out>(xs[offset]); });
  for_each_offset(out.shape, broadcast_strides(y.shape, out.shape), [&](int64_t i, int64_t offset) {
    outs[i] = static_cast<Out>(f(static_cast<T>(outs[i]), ys[offset]));
  });
}

template <typename F>
void zip_numbers(const EvalArgs& args, F&& f) {
  with_number(args.out().dtype, [&](auto type) { zip<decltype(type), decltype(type)>(args, f); });
}

template <typename F>
void compare_numbers(const EvalArgs& args, F&& f) {
  const TensorView &x = args.in("x"), &y = args.in("y"), &out = args.out();
  const Shape x_strides = broadcast_strides(x.shape, out.shape);
  const Shape y_strides = broadcast_strides(y.shape, out.shape);
  std::vector<int64_t> x_offsets(static_cast<size_t>(out.size()));
  for_each_offset(out.shape, x_strides, [&](int64_t i, int64_t at) { x_offsets[i] = at; });
  with_number(x.dtype, [&](auto type) {
    using T = decltype(type);
    const auto xs = x.as<T>(), ys = y.as<T>();
    const auto outs = out.as<bool>();
    for_each_offset(out.shape, y_strides,
                    [&](int64_t i, int64_t at) { outs[i] = f(xs[x_offsets[i]], ys[at]); });
  });
}

// Integer arithmetic wraps instead of overflowing.
template <typename T, typename F>
T wrapping(T x, T y, F&& f) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(f(static_cast<int64_t>(x), static_cast<int64_t>(y)));
  } else {
    return f(x, y);
  }
}

template <typename T>
T divide(T x, T y) {
  if constexpr (std::is_integral_v<T>) {
    return y == 0 ? 0 : static_cast<T>(static_cast<int64_t>(x) / y);
  } else {
    return x / y;
  }
}

template <typename T>
T power(T x, T y) {
  if constexpr (std::is_integral_v<T>) return integer_power(x, y);
  if constexpr (!std::is_integral_v<T>) return std::pow(x, y);
}

// Gradients of both operands, reduced to their shapes. A null value stands for none.
Grads both(GradArgs& args, Value dx, Value dy) {
  Grads grads;
  if (dx) grads.emplace_back(args.value("x"), args.builder.sum_to_shape(dx, args.shape("x")));
  if (dy) grads.emplace_back(args.value("y"), args.builder.sum_to_shape(dy, args.shape("y")));
  return grads;
}

Grads grad_add(GradArgs& args) {
  return both(args, args.wants("x") ? args.doutput() : nullptr,
              args.wants("y") ? args.doutput() : nullptr);
}

Grads grad_sub(GradArgs& args) {
  Builder& b = args.builder;
  return both(args, args.wants("x") ? args.doutput() : nullptr,
              args.wants("y") ? b.mul(args.doutput(), -1.0) : nullptr);
}

Grads grad_mul(GradArgs& args) {
  Builder& b = args.builder;
  return both(args, args.wants("x") ? b.mul(args.doutput(), args.value("y")) : nullptr,
              args.wants("y") ? b.mul(args.doutput(), args.value("x")) : nullptr);
}

Grads grad_real_div(GradArgs& args) {
  Builder& b = args.builder;
  const Value y = args.value("y");
  const Value dx = b.real_div(args.doutput(), y);
  return both(args, args.wants("x") ? dx : nullptr,
              args.wants("y") ? b.mul(b.mul(dx, args.output()), -1.0) : nullptr);
}

Grads grad_pow(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x"), y = args.value("y"), g = args.doutput();
  Value dx = nullptr, dy = nullptr;
  if (args.wants("x")) dx = b.mul(g, b.mul(y, b.pow(x, b.add(y, -1.0))));
  if (args.wants("y")) dy = b.mul(g, b.mul(args.output(), b.unary("log", x)));
  return both(args, dx, dy);
}

// y = x * floor(x / y) off the jumps.
Grads grad_mod(GradArgs& args) {
  Builder& b = args.builder;
  const Value quotient = b.binary("floor_div", args.value("x"), args.value("y"));
  return both(args, args.wants("x") ? args.doutput() : nullptr,
              args.wants("y") ? b.mul(b.mul(args.doutput(), quotient), -1.0) : nullptr);
}

// The chosen operand gets everything; x wins a tie.
Grads grad_extreme(GradArgs& args, const char* x_is_chosen) {
  Builder& b = args.builder;
  const Value chosen = b.binary(x_is_chosen, args.value("x"), args.value("y"));
  const Value mask = as_number(b, chosen, args.output());
  const Value dx = b.mul(args.doutput(), mask);
  return both(args, args.wants("x") ? dx : nullptr,
              args.wants("y") ? b.sub(args.doutput(), dx) : nullptr);
}

std::vector<Type> infer_select(const OpArgs& args) {
  require_same_dtype(args, "a", "b");
  const Shape ab = broadcast_shapes(args, args.shape("a"), args.shape("b"), "select.c1");
  const Shape shape = broadcast_shapes(args, args.shape("cond"), ab, "select.c1");
  return {Type::tensor(args.type("a").dtype, shape)};
}

void eval_select(const EvalArgs& args) {
  const TensorView &out = args.out(), &condition = args.in("cond");
  const auto copy_where = [&](const char* source, bool wanted) {
    const TensorView& from = args.in(source);
    const size_t size = static_cast<size_t>(bits(out.dtype)) / 8;
    std::vector<int64_t> offsets(static_cast<size_t>(out.size()));
    for_each_offset(out.shape, broadcast_strides(from.shape, out.shape),
                    [&](int64_t i, int64_t at) { offsets[i] = at; });
    for_each_offset(out.shape, broadcast_strides(condition.shape, out.shape),
                    [&](int64_t i, int64_t at) {
                      if (condition.as<bool>()[at] != wanted) return;
                      std::copy_n(static_cast<const char*>(from.data) + offsets[i] * size, size,
                                  static_cast<char*>(out.data) + i * size);
                    });
  };
  copy_where("a", true);
  copy_where("b", false);
}

Grads grad_select(GradArgs& args) {
  Builder& b = args.builder;
  const Value zero = b.scalar(args.doutput()->type.dtype, 0), condition = args.value("cond");
  Grads grads;
  for (const char* side : {"a", "b"}) {
    if (!args.wants(side)) continue;
    const Value masked = *side == 'a' ? b.select(condition, args.doutput(), zero)
                                      : b.select(condition, zero, args.doutput());
    grads.emplace_back(args.value(side), b.sum_to_shape(masked, args.shape(side)));
  }
  return grads;
}

#define ARITHMETIC(op_name, kernel, gradient) ARITHMETIC_AS(op_name, Trait::kNone, kernel, gradient)
#define ARITHMETIC_AS(op_name, kind, kernel, gradient)                                        \
  {                                                                                           \
    .name = op_name, .params = kNumbers, .infer = infer_arithmetic,                           \
    .eval = [](const EvalArgs& a) { zip_numbers(a, [](auto x, auto y) { return kernel; }); }, \
    .grad = gradient, .flops = one_flop_each, .traits = kind                                  \
  }
#define COMPARISON(op_name, kernel)                                                              \
  {                                                                                              \
    .name = op_name, .params = kNumbers, .infer = infer_comparison,                              \
    .eval = [](const EvalArgs& a) { compare_numbers(a, [](auto x, auto y) { return kernel; }); } \
  }
#define LOGIC(op_name, kernel)                                                                   \
  {                                                                                              \
    .name = op_name, .params = kBools, .infer = infer_arithmetic,                                \
    .eval = [](const EvalArgs& a) { zip<bool, bool>(a, [](bool x, bool y) { return kernel; }); } \
  }

const OpDef kOps[] = {
    ARITHMETIC("add", (wrapping(x, y, [](auto p, auto q) { return p + q; })), grad_add),
    ARITHMETIC("sub", (wrapping(x, y, [](auto p, auto q) { return p - q; })), grad_sub),
    ARITHMETIC("mul", (wrapping(x, y, [](auto p, auto q) { return p * q; })), grad_mul),
    ARITHMETIC("real_div", divide(x, y), grad_real_div),
    ARITHMETIC("floor_div", floored_quotient(x, y), zero_gradient),
    ARITHMETIC("mod", floored_remainder(x, y), grad_mod),
    ARITHMETIC("pow", power(x, y), grad_pow),
    ARITHMETIC_AS("maximum", Trait::kExact, maximum(x, y),
                  [](GradArgs& a) { return grad_extreme(a, "greater_equal"); }),
    ARITHMETIC_AS("minimum", Trait::kExact, minimum(x, y),
                  [](GradArgs& a) { return grad_extreme(a, "less_equal"); }),
    COMPARISON("equal", x == y),
    COMPARISON("not_equal", x != y),
    COMPARISON("greater", x > y),
    COMPARISON("greater_equal", x >= y),
    COMPARISON("less", x < y),
    COMPARISON("less_equal", x <= y),
    LOGIC("logical_and", x&& y),
    LOGIC("logical_or", x || y),
    LOGIC("logical_xor", x != y),
    {.name = "select",
     .params = kSelect,
     .infer = infer_select,
     .eval = eval_select,
     .grad = grad_select},
};

#undef ARITHMETIC
#undef ARITHMETIC_AS
#undef COMPARISON
#undef LOGIC

}  // namespace

std::span<const OpDef> elementwise_binary_ops() { return kOps; }

}  // namespace anemone
