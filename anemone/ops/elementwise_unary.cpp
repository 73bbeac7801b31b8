// Element-wise functions of one operand, and cast.
#include <cmath>
#include <numbers>
#include <type_traits>

#include "anemone/base/arithmetic.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kFloatX[] = {param("x", Accepts::kFloat)};
constexpr Param kNumberX[] = {param("x", Accepts::kNumber)};
constexpr Param kBoolX[] = {param("x", Accepts::kBool)};
constexpr Param kWithEpsilon[] = {param("x", Accepts::kFloat),
                                  optional_const("epsilon", Accepts::kFloat)};
constexpr Param kClip[] = {param("x", Accepts::kFloat), const_param("alpha", Accepts::kFloat),
                           const_param("beta", Accepts::kFloat)};
constexpr Param kThreshold[] = {param("x", Accepts::kNumber),
                                const_param("alpha", Accepts::kNumber)};
constexpr Param kCast[] = {param("x", Accepts::kAny), const_param("dtype", Accepts::kString)};
constexpr Param kIdentity[] = {param("x", Accepts::kAny)};

// Epsilons are always added, so that in fp16 the tiny defaults are zero (facts §5.3).
constexpr double kLogEpsilon = 1e-45, kRsqrtEpsilon = 1e-12, kInverseEpsilon = 1e-4;

// 1 / (1 + sign * x^2), times dy.
Grads over_one_plus_square(GradArgs& args, double sign) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  return {{x, b.real_div(args.doutput(), b.add(b.mul(b.mul(x, x), sign), 1.0))}};
}

// sign / sqrt(1 - x^2), times dy.
Grads over_sqrt_one_minus_square(GradArgs& args, double sign) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  const Value rest = b.add(b.mul(b.mul(x, x), -1.0), 1.0);
  return chain(args, b.mul(b.pow(rest, -0.5), sign));
}

// Integers are widened, so that results wrap instead of overflowing.
template <typename T>
auto wide(T x) {
  if constexpr (std::is_integral_v<T>) return static_cast<int64_t>(x);
  if constexpr (!std::is_integral_v<T>) return x;
}

template <typename T>
T sign_of(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(x)) return x;
  }
  return static_cast<T>((x > T{}) - (x < T{}));
}

template <typename T>
auto magnitude(T x) {
  if constexpr (std::is_integral_v<T>) return x < 0 ? -wide(x) : wide(x);
  if constexpr (!std::is_integral_v<T>) return std::abs(x);
}

std::vector<Type> infer_clip(const OpArgs& args) {
  const double low = args.number("alpha"), high = args.number("beta");
  args.require(low < high || !args.since(Opset::kIos17),
               "clip.c1: alpha {} must be less than beta {}", low, high);
  return infer_like_x(args);
}

void eval_clip(const EvalArgs& args) {
  const double low = args.number("alpha"), high = args.number("beta");
  map_float(args, [=](auto x) {
    using T = decltype(x);
    return minimum(maximum(x, static_cast<T>(low)), static_cast<T>(high));
  });
}

Grads grad_clip(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  const auto bound = [&](const char* name) { return b.scalar(x->type.dtype, args.number(name)); };
  const Value inside = b.binary("logical_and", b.binary("greater_equal", x, bound("alpha")),
                                b.binary("less_equal", x, bound("beta")));
  return chain(args, as_number(b, inside, x));
}

Grads grad_threshold(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x");
  const Value alpha = b.scalar(x->type.dtype, args.number("alpha"));
  return chain(args, as_number(b, b.binary("greater", x, alpha), x));
}

std::vector<Type> infer_cast(const OpArgs& args) {
  const std::string target = args.text("dtype");
  const auto dtype = dtype_from_name(target);
  args.require(dtype && *dtype != DType::kString && bits(*dtype) >= 8,
               "cast.c1: '{}' is not a type to cast to", target);
  return {Type::tensor(*dtype, args.shape("x"))};
}

Grads grad_cast(GradArgs& args) {
  const Value x = args.value("x");
  if (!is_float(x->type.dtype) || !is_float(args.output()->type.dtype)) return {};
  return {{x, args.builder.cast(args.doutput(), x->type.dtype)}};
}

// A row whose kernel and derivative are one expression each.
#define UNARY(op_name, kernel, ...) \
  COSTLY(op_name, kernel, ten_flops_each, Trait::kTranscendental, __VA_ARGS__)
#define ROUNDING(op_name, kernel) \
  COSTLY(op_name, kernel, one_flop_each, Trait::kExact, zero_gradient)
#define COSTLY(op_name, kernel, cost, kind, ...)                                    \
  {                                                                                 \
    .name = op_name, .params = kFloatX, .infer = infer_like_x,                      \
    .eval = [](const EvalArgs& a) { map_float(a, [](auto x) { return kernel; }); }, \
    .grad = __VA_ARGS__, .flops = cost, .traits = kind                              \
  }

const OpDef kOps[] = {
    UNARY("acos", std::acos(x), [](GradArgs& a) { return over_sqrt_one_minus_square(a, -1); }),
    UNARY("asin", std::asin(x), [](GradArgs& a) { return over_sqrt_one_minus_square(a, 1); }),
    UNARY("atan", std::atan(x), [](GradArgs& a) { return over_one_plus_square(a, 1); }),
    UNARY("atanh", std::atanh(x), [](GradArgs& a) { return over_one_plus_square(a, -1); }),
    ROUNDING("ceil", std::ceil(x)),
    UNARY("cos", std::cos(x),
          [](GradArgs& a) {
            Builder& b = a.builder;
            return chain(a, b.mul(b.unary("sin", a.value("x")), -1.0));
          }),
    UNARY("cosh", std::cosh(x),
          [](GradArgs& a) { return chain(a, a.builder.unary("sinh", a.value("x"))); }),
    UNARY("erf", std::erf(x),
          [](GradArgs& a) {
            Builder& b = a.builder;
            const Value square = b.mul(a.value("x"), a.value("x"));
            return chain(a,
                         b.mul(b.unary("exp", b.mul(square, -1.0)), 2 * std::numbers::inv_sqrtpi));
          }),
    UNARY("exp", std::exp(x), [](GradArgs& a) { return chain(a, a.output()); }),
    {.name = "exp2",
     .params = kNumberX,
     .infer = infer_like_x,
     .eval =
         [](const EvalArgs& a) {
           map_number(a, [](auto x) {
             if constexpr (std::is_integral_v<decltype(x)>) return integer_power(decltype(x){2}, x);
             if constexpr (!std::is_integral_v<decltype(x)>) return std::exp2(x);
           });
         },
     .grad = [](GradArgs& a) { return chain(a, a.builder.mul(a.output(), std::numbers::ln2)); },
     .flops = ten_flops_each,
     .traits = Trait::kTranscendental},
    ROUNDING("floor", std::floor(x)),
    ROUNDING("round", std::nearbyint(x)),  // halves to even
    UNARY("sin", std::sin(x),
          [](GradArgs& a) { return chain(a, a.builder.unary("cos", a.value("x"))); }),
    UNARY("sinh", std::sinh(x),
          [](GradArgs& a) { return chain(a, a.builder.unary("cosh", a.value("x"))); }),
    UNARY("sqrt", std::sqrt(x),
          [](GradArgs& a) {
            Builder& b = a.builder;
            return Grads{{a.value("x"), b.real_div(a.doutput(), b.mul(a.output(), 2.0))}};
          }),
    UNARY("tan", std::tan(x),
          [](GradArgs& a) {
            Builder& b = a.builder;
            return chain(a, b.add(b.mul(a.output(), a.output()), 1.0));
          }),
    UNARY("tanh", std::tanh(x),
          [](GradArgs& a) {
            Builder& b = a.builder;
            return chain(a, b.add(b.mul(b.mul(a.output(), a.output()), -1.0), 1.0));
          }),
#undef UNARY
#undef ROUNDING
#undef COSTLY
    {.name = "abs",
     .params = kNumberX,
     .infer = infer_like_x,
     .eval = [](const EvalArgs& a) { map_number(a, [](auto x) { return magnitude(x); }); },
     .grad = [](GradArgs& a) { return chain(a, a.builder.unary("sign", a.value("x"))); },
     .flops = one_flop_each,
     .traits = Trait::kExact},
    {.name = "sign",
     .params = kNumberX,
     .infer = infer_like_x,
     .eval = [](const EvalArgs& a) { map_number(a, [](auto x) { return sign_of(x); }); },
     .grad = zero_gradient,
     .flops = one_flop_each,
     .traits = Trait::kExact},
    {.name = "square",
     .params = kNumberX,
     .infer = infer_like_x,
     .eval = [](const EvalArgs& a) { map_number(a, [](auto x) { return wide(x) * wide(x); }); },
     .grad = [](GradArgs& a) { return chain(a, a.builder.mul(a.value("x"), 2.0)); },
     .flops = one_flop_each},
    {.name = "log",
     .params = kWithEpsilon,
     .infer = infer_like_x,
     .eval =
         [](const EvalArgs& a) {
           const double epsilon = a.number("epsilon", kLogEpsilon);
           map_float(a, [=](auto x) { return std::log(x + static_cast<decltype(x)>(epsilon)); });
         },
     .grad =
         [](GradArgs& a) {
           Builder& b = a.builder;
           const Value shifted = b.add(a.value("x"), a.number("epsilon", kLogEpsilon));
           return Grads{{a.value("x"), b.real_div(a.doutput(), shifted)}};
         },
     .flops = ten_flops_each},
    {.name = "rsqrt",
     .params = kWithEpsilon,
     .infer = infer_like_x,
     .eval =
         [](const EvalArgs& a) {
           const double epsilon = a.number("epsilon", kRsqrtEpsilon);
           map_float(a, [=](auto x) {
             using T = decltype(x);
             return T{1} / std::sqrt(x + static_cast<T>(epsilon));
           });
         },
     .grad =
         [](GradArgs& a) {  // y = (x + e)^-1/2, y' = -y^3 / 2
           Builder& b = a.builder;
           const Value cube = b.mul(b.mul(a.output(), a.output()), a.output());
           return chain(a, b.mul(cube, -0.5));
         },
     .flops = ten_flops_each},
    {.name = "inverse",
     .params = kWithEpsilon,
     .infer = infer_like_x,
     .eval =
         [](const EvalArgs& a) {
           const double epsilon = a.number("epsilon", kInverseEpsilon);
           map_float(a, [=](auto x) {
             using T = decltype(x);
             return T{1} / (x + static_cast<T>(epsilon));
           });
         },
     .grad =
         [](GradArgs& a) {
           Builder& b = a.builder;
           return chain(a, b.mul(b.mul(a.output(), a.output()), -1.0));
         },
     .flops = one_flop_each},
    {.name = "clip",
     .params = kClip,
     .infer = infer_clip,
     .eval = eval_clip,
     .grad = grad_clip,
     .flops = one_flop_each},
    {.name = "threshold",
     .params = kThreshold,
     .infer = infer_like_x,
     .eval =
         [](const EvalArgs& a) {
           const double low = a.number("alpha");
           map_number(a, [=](auto x) { return maximum(x, static_cast<decltype(x)>(low)); });
         },
     .grad = grad_threshold,
     .flops = one_flop_each},
    {.name = "logical_not",
     .params = kBoolX,
     .infer = infer_like_x,
     .eval =
         [](const EvalArgs& a) {
           const auto x = a.in("x").as<bool>();
           for (size_t i = 0; i < x.size(); ++i) a.out().as<bool>()[i] = !x[i];
         }},
    {.name = "cast",
     .params = kCast,
     .infer = infer_cast,
     .eval = [](const EvalArgs& a) { convert(a.in("x"), a.out()); },
     .grad = grad_cast},
    {.name = "identity",
     .params = kIdentity,
     .infer = infer_like_x,
     .eval = [](const EvalArgs& a) { convert(a.in("x"), a.out()); },
     .grad =
         [](GradArgs& a) {
           return Grads{{a.value("x"), a.doutput()}};
         },
     .traits = Trait::kView},
};

}  // namespace

std::span<const OpDef> elementwise_unary_ops() { return kOps; }

}  // namespace anemone
