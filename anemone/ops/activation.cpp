// Activation functions, element by element, some with parameters for each channel (axis 1).
// Gradients at kinks are PyTorch's: relu'(0) = 0.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "anemone/base/arithmetic.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

constexpr Param kX[] = {param("x", Accepts::kFloat)};
constexpr Param kAlpha[] = {param("x", Accepts::kFloat), const_param("alpha", Accepts::kFloat)};
constexpr Param kAlphaBeta[] = {param("x", Accepts::kFloat), const_param("alpha", Accepts::kFloat),
                                const_param("beta", Accepts::kFloat)};
constexpr Param kGelu[] = {param("x", Accepts::kFloat), optional_const("mode", Accepts::kString)};

// Reads the numbers, which are refused where they are not single ones.
std::vector<Type> infer_numbers(const OpArgs& args) {
  for (const char* name : {"alpha", "beta"}) args.number(name, 0.0);
  return {args.type("x")};
}

// out = f(x) in fp64.
template <typename F>
void map(const EvalArgs& args, F&& f) {
  map_float(args, [&](auto x) { return f(static_cast<double>(x)); });
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0); }

// Comparison of x with a number, as 0 or 1 in x's type.
Value where(GradArgs& args, const char* comparison, Value x, double bound) {
  Builder& b = args.builder;
  return as_number(b, b.binary(comparison, x, b.scalar(x->type.dtype, bound)), x);
}

// dy where the comparison holds, dy * otherwise elsewhere.
Grads grad_where(GradArgs& args, const char* comparison, double bound, Value otherwise) {
  Builder& b = args.builder;
  const Value x = args.value("x"), g = args.doutput();
  const Value holds = b.binary(comparison, x, b.scalar(x->type.dtype, bound));
  return {{x, b.select(holds, g, b.mul(g, otherwise))}};
}

Value scalar_like_x(GradArgs& args, double value) {
  return args.builder.scalar(args.value("x")->type.dtype, value);
}

Grads grad_relu(GradArgs& args) { return chain(args, where(args, "greater", args.value("x"), 0)); }

Grads grad_between(GradArgs& args, Value x, double low, double high, double slope) {
  Builder& b = args.builder;
  const Value inside = b.mul(where(args, "greater", x, low), where(args, "less", x, high));
  return chain(args, slope == 1 ? inside : b.mul(inside, slope));
}

Grads grad_leaky(GradArgs& args) {
  return grad_where(args, "greater", 0, scalar_like_x(args, args.number("alpha")));
}

Grads grad_elu(GradArgs& args) {
  Builder& b = args.builder;
  const Value slope = b.mul(b.unary("exp", args.value("x")), args.number("alpha"));
  return grad_where(args, "greater", 0, slope);
}

Grads grad_clamped(GradArgs& args) {
  Builder& b = args.builder;
  Grads grads = grad_leaky(args);
  const Value below = where(args, "less", args.output(), args.number("beta"));
  grads[0].second = b.mul(grads[0].second, below);
  return grads;
}

Grads grad_sigmoid(GradArgs& args) {
  Builder& b = args.builder;
  const Value y = args.output();
  return chain(args, b.mul(y, b.sub(scalar_like_x(args, 1), y)));
}

// s (1 + c x (1 - s)) with s = sigmoid(c x): the slope of x sigmoid(c x).
Value sigmoid_product_slope(GradArgs& args, double c) {
  Builder& b = args.builder;
  const Value scaled = c == 1 ? args.value("x") : b.mul(args.value("x"), c);
  const Value s = b.unary("sigmoid", scaled);
  const Value rest = b.sub(scalar_like_x(args, 1), s);
  return b.mul(s, b.add(b.mul(scaled, rest), 1.0));
}

Grads grad_silu(GradArgs& args) { return chain(args, sigmoid_product_slope(args, 1)); }

Grads grad_scaled_tanh(GradArgs& args) {
  Builder& b = args.builder;
  const double alpha = args.number("alpha"), beta = args.number("beta");
  const Value t = b.unary("tanh", b.mul(args.value("x"), beta));
  return chain(args, b.mul(b.sub(scalar_like_x(args, 1), b.mul(t, t)), alpha * beta));
}

Grads grad_softplus(GradArgs& args) {
  return chain(args, args.builder.unary("sigmoid", args.value("x")));
}

Grads grad_softsign(GradArgs& args) {
  Builder& b = args.builder;
  const Value size = b.add(b.unary("abs", args.value("x")), 1.0);
  return {{args.value("x"), b.real_div(args.doutput(), b.mul(size, size))}};
}

enum class Gelu { kExact, kTanh, kSigmoid };

constexpr double kGeluCubic = 0.044715, kGeluSigmoid = 1.702;
const double kGeluTanh = std::sqrt(2 / std::numbers::pi);

Gelu gelu_mode(const OpArgs& args) {
  const std::string mode = args.text("mode", "EXACT");
  if (mode == "EXACT") return Gelu::kExact;
  if (mode == "TANH_APPROXIMATION") return Gelu::kTanh;
  args.require(mode == "SIGMOID_APPROXIMATION",
               "gelu.c1: mode '{}' is not EXACT, TANH_APPROXIMATION or SIGMOID_APPROXIMATION",
               mode);
  return Gelu::kSigmoid;
}

std::vector<Type> infer_gelu(const OpArgs& args) {
  gelu_mode(args);
  return {args.type("x")};
}

void eval_gelu(const EvalArgs& args) {
  switch (gelu_mode(args)) {
    case Gelu::kExact:
      return map(args, [](double x) { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); });
    case Gelu::kTanh:
      return map(args, [](double x) {
        return 0.5 * x * (1 + std::tanh(kGeluTanh * (x + kGeluCubic * x * x * x)));
      });
    case Gelu::kSigmoid:
      return map(args, [](double x) { return x * sigmoid(kGeluSigmoid * x); });
  }
}

// Phi(x) + x phi(x), the normal distribution and its density.
Value exact_gelu_slope(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  const Value erf = b.unary("erf", b.mul(x, 1 / std::numbers::sqrt2));
  const Value density = b.mul(b.unary("exp", b.mul(b.mul(x, x), -0.5)),
                              std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  return b.add(b.mul(b.add(erf, 1.0), 0.5), b.mul(x, density));
}

// (1 + t) / 2 + x (1 - t^2) u' / 2 with t = tanh(u), u = c (x + a x^3).
Value tanh_gelu_slope(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x"), square = b.mul(x, x);
  const Value u = b.mul(b.mul(x, b.add(b.mul(square, kGeluCubic), 1.0)), kGeluTanh);
  const Value t = b.unary("tanh", u);
  const Value du = b.mul(b.add(b.mul(square, 3 * kGeluCubic), 1.0), kGeluTanh);
  const Value bend = b.mul(b.mul(x, du), b.sub(scalar_like_x(args, 1), b.mul(t, t)));
  return b.mul(b.add(b.add(t, 1.0), bend), 0.5);
}

Grads grad_gelu(GradArgs& args) {
  switch (gelu_mode(args)) {
    case Gelu::kExact:
      return chain(args, exact_gelu_slope(args));
    case Gelu::kTanh:
      return chain(args, tanh_gelu_slope(args));
    case Gelu::kSigmoid:
      break;
  }
  return chain(args, sigmoid_product_slope(args, kGeluSigmoid));
}

// Parameters for each channel: one number for each index of x's axis 1.
std::vector<Type> infer_channels(const OpArgs& args) {
  const Shape& x = args.shape("x");
  const std::string& op = args.op().type;
  args.require(x.size() >= 2, "{}.c1: x {} has no channel axis 1", op, to_string(x));
  for (const char* name : {"alpha", "beta"}) {
    if (!args.has(name)) continue;
    args.require(args.shape(name) == Shape{x[1]}, "{}.c2: '{}' is {}, not [{}]", op, name,
                 to_string(args.shape(name)), x[1]);
  }
  return {args.type("x")};
}

// out = f(x, channel).
template <typename F>
void map_channels(const EvalArgs& args, F&& f) {
  const AxisSplit split = split_at(args.out().shape, 1);
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto x = args.in("x").as<T>();
    const auto out = args.out().as<T>();
    for (size_t i = 0; i < x.size(); ++i) {
      const int64_t channel = static_cast<int64_t>(i) / split.inner % split.size;
      out[i] = static_cast<T>(f(static_cast<double>(x[i]), channel));
    }
  });
}

void eval_prelu(const EvalArgs& args) {
  const TensorView& alpha = args.in("alpha");
  map_channels(args, [&](double x, int64_t c) { return x < 0 ? alpha.at(c) * x : x; });
}

void eval_softplus_parametric(const EvalArgs& args) {
  const TensorView &alpha = args.in("alpha"), &beta = args.in("beta");
  map_channels(args, [&](double x, int64_t c) { return alpha.at(c) * softplus(beta.at(c) * x); });
}

// A parameter in x's type and under a shape that broadcasts against x.
Value per_channel(GradArgs& args, const char* name) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  Value value = args.value(name);
  if (value->type.dtype != x->type.dtype) value = b.cast(value, x->type.dtype);
  Shape shape(x->type.rank() - 1, 1);
  shape[0] = value->type.shape[0];
  return b.reshape(value, shape);
}

Grads grad_prelu(GradArgs& args) {
  return grad_where(args, "greater", 0, per_channel(args, "alpha"));
}

Grads grad_softplus_parametric(GradArgs& args) {
  Builder& b = args.builder;
  const Value alpha = per_channel(args, "alpha"), beta = per_channel(args, "beta");
  const Value s = b.unary("sigmoid", b.mul(args.value("x"), beta));
  return chain(args, b.mul(s, b.mul(alpha, beta)));
}

// A row whose kernel is one expression of x, alpha and beta.
#define ACTIVATION(op_name, parameters, kind, kernel, ...)                                     \
  {                                                                                            \
    .name = op_name, .params = parameters, .infer = infer_numbers,                             \
    .eval =                                                                                    \
        [](const EvalArgs& a) {                                                                \
          const double alpha = a.number("alpha", 0.0);                                         \
          const double beta = a.number("beta", 0.0);                                           \
          static_cast<void>(alpha), static_cast<void>(beta);                                   \
          map(a, [=](double x) { return kernel; });                                            \
        },                                                                                     \
    .grad = __VA_ARGS__,                                                                       \
    .flops = (kind) == Trait::kTranscendental ? ten_flops_each : one_flop_each, .traits = kind \
  }

const OpDef kOps[] = {
    ACTIVATION("relu", kX, Trait::kExact, maximum(x, 0.0), grad_relu),
    ACTIVATION("relu6", kX, Trait::kExact, minimum(maximum(x, 0.0), 6.0),
               [](GradArgs& a) { return grad_between(a, a.value("x"), 0, 6, 1); }),
    ACTIVATION("leaky_relu", kAlpha, Trait::kNone, (x < 0 ? alpha * x : x), grad_leaky),
    ACTIVATION("elu", kAlpha, Trait::kTranscendental, (x > 0 ? x : alpha * std::expm1(x)),
               grad_elu),
    ACTIVATION("silu", kX, Trait::kTranscendental, x* sigmoid(x), grad_silu),
    ACTIVATION("sigmoid", kX, Trait::kTranscendental, sigmoid(x), grad_sigmoid),
    ACTIVATION("sigmoid_hard", kAlphaBeta, Trait::kNone,
               minimum(maximum(alpha* x + beta, 0.0), 1.0),
               [](GradArgs& a) { return grad_between(a, a.output(), 0, 1, a.number("alpha")); }),
    ACTIVATION("scaled_tanh", kAlphaBeta, Trait::kTranscendental, alpha* std::tanh(beta* x),
               grad_scaled_tanh),
    ACTIVATION("softplus", kX, Trait::kTranscendental, softplus(x), grad_softplus),
    ACTIVATION("softsign", kX, Trait::kNone, x / (1 + std::abs(x)), grad_softsign),
    ACTIVATION("thresholded_relu", kAlpha, Trait::kNone, (x < alpha ? 0.0 : x),
               [](GradArgs& a) {
                 return chain(a, where(a, "greater_equal", a.value("x"), a.number("alpha")));
               }),
    ACTIVATION("clamped_relu", kAlphaBeta, Trait::kNone, minimum(beta, x < 0 ? alpha * x : x),
               grad_clamped),
    ACTIVATION("linear_activation", kAlphaBeta, Trait::kNone, alpha* x + beta,
               [](GradArgs& a) { return chain(a, scalar_like_x(a, a.number("alpha"))); }),
    {.name = "gelu",
     .params = kGelu,
     .infer = infer_gelu,
     .eval = eval_gelu,
     .grad = grad_gelu,
     .flops = ten_flops_each,
     .traits = Trait::kTranscendental},
    {.name = "prelu",
     .params = kAlpha,
     .infer = infer_channels,
     .eval = eval_prelu,
     .grad = grad_prelu,
     .flops = one_flop_each},
    {.name = "softplus_parametric",
     .params = kAlphaBeta,
     .infer = infer_channels,
     .eval = eval_softplus_parametric,
     .grad = grad_softplus_parametric,
     .flops = ten_flops_each,
     .traits = Trait::kTranscendental},
};

#undef ACTIVATION

}  // namespace

std::span<const OpDef> activation_ops() { return kOps; }

}  // namespace anemone
