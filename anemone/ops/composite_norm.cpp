// anemone.rms_norm: y = weight * x / sqrt(mean(x^2) + epsilon) over the channels of [N, C, 1, S]
// (Zhang and Sennrich 2019), and its backward operation. N > 1: heads that share the weight.
#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr double kDefaultEpsilon = 1e-5;

constexpr Param kForward[] = {param("x", Accepts::kFloat), param("weight", Accepts::kFloat),
                              optional_const("epsilon", Accepts::kFloat)};
constexpr Param kBackward[] = {param("x", Accepts::kFloat), param("weight", Accepts::kFloat),
                               param("dy", Accepts::kFloat), optional_param("sum", Accepts::kFloat),
                               optional_const("epsilon", Accepts::kFloat)};

void check_shapes(const OpArgs& args) {
  const Shape& x = args.shape("x");
  args.require(x.size() == 4 && x[2] == 1, "{}.c1: x is {}, not [N, C, 1, S]", args.op().type,
               to_string(x));
  args.require(
      args.shape("weight") == Shape({x[1]}) && args.type("weight").dtype == args.type("x").dtype,
      "{}.c2: weight is {}, not {} like x's channels", args.op().type,
      to_string(args.type("weight")), to_string(Type::tensor(args.type("x").dtype, {x[1]})));
}

std::vector<Type> infer_forward(const OpArgs& args) {
  check_shapes(args);
  return {args.type("x")};
}

// dx like x, dweight like weight.
std::vector<Type> infer_backward(const OpArgs& args) {
  check_shapes(args);
  for (const char* name : {"dy", "sum"}) {
    if (!args.has(name)) continue;
    args.require(args.type(name) == args.type("x"), "{}.c3: {} is {}, x is {}", args.op().type,
                 name, to_string(args.type(name)), to_string(args.type("x")));
  }
  return {args.type("x"), args.type("weight")};
}

// Item n of `size` elements each.
template <typename T>
std::span<T> item(std::span<T> all, int64_t n, int64_t size) {
  return all.subspan(static_cast<size_t>(n * size), static_cast<size_t>(size));
}

// 1 / sqrt(mean(x^2) + epsilon) of column s.
template <typename T>
double inverse_rms(std::span<const T> x, int64_t channels, int64_t columns, int64_t s,
                   double epsilon) {
  double squares = 0;
  for (int64_t c = 0; c < channels; ++c) {
    squares += static_cast<double>(x[c * columns + s]) * x[c * columns + s];
  }
  return 1 / std::sqrt(squares / static_cast<double>(channels) + epsilon);
}

void eval_forward(const EvalArgs& args) {
  const int64_t channels = args.shape("x")[1], columns = args.shape("x")[3];
  const double epsilon = args.number("epsilon", kDefaultEpsilon);
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const std::span<const T> weight = args.in("weight").as<T>();
    for (int64_t n = 0; n < args.shape("x")[0]; ++n) {
      const std::span<const T> x = item(args.in("x").as<T>(), n, channels * columns);
      const std::span<T> out = item(args.out().as<T>(), n, channels * columns);
      for (int64_t s = 0; s < columns; ++s) {
        const double r = inverse_rms(x, channels, columns, s, epsilon);
        for (int64_t c = 0; c < channels; ++c) {
          out[c * columns + s] = static_cast<T>(weight[c] * r * x[c * columns + s]);
        }
      }
    }
  });
}

// With r = 1/rms: dx = sum + r w dy - x r^3/C sum(dy w x), dweight = sum over s of dy x r.
void eval_backward(const EvalArgs& args) {
  const int64_t channels = args.shape("x")[1], columns = args.shape("x")[3];
  const double epsilon = args.number("epsilon", kDefaultEpsilon);
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const std::span<const T> weight = args.in("weight").as<T>();
    const std::span<const T> sums = args.has("sum") ? args.in("sum").as<T>() : std::span<const T>();
    std::vector<double> dweight(static_cast<size_t>(channels), 0);
    for (int64_t n = 0; n < args.shape("x")[0]; ++n) {
      const auto x = item(args.in("x").as<T>(), n, channels * columns);
      const auto dy = item(args.in("dy").as<T>(), n, channels * columns);
      const auto sum = sums.empty() ? sums : item(sums, n, channels * columns);
      const auto dx = item(args.out(0).as<T>(), n, channels * columns);
      for (int64_t s = 0; s < columns; ++s) {
        const double r = inverse_rms<T>(x, channels, columns, s, epsilon);
        double dot = 0;
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t i = c * columns + s;
          dot += static_cast<double>(dy[i]) * weight[c] * x[i];
          dweight[static_cast<size_t>(c)] += dy[i] * x[i] * r;
        }
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t i = c * columns + s;
          dx[i] = static_cast<T>((sum.empty() ? 0 : sum[i]) + r * weight[c] * dy[i] -
                                 x[i] * r * r * r * dot / static_cast<double>(channels));
        }
      }
    }
    std::copy(dweight.begin(), dweight.end(), args.out(1).as<T>().begin());
  });
}

Grads grad_forward(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x"), weight = args.value("weight");
  const std::vector<Value> gradients =
      b.ops("anemone.rms_norm_backward",
            {{"x", x},
             {"weight", weight},
             {"dy", args.doutput()},
             {"epsilon", b.scalar(x->type.dtype, args.number("epsilon", kDefaultEpsilon))}});
  return {{x, gradients[0]}, {weight, gradients[1]}};
}

// In fp16 the sum of squares overflows once rms > sqrt(65504 / C): 9 for 768 channels (ane.c40). A
// power of two keeps squares of ordinary values normal numbers and moves that to 64 and above.
double square_scale(DType dtype, double channels) {
  if (dtype != DType::kFp16) return 1;
  return std::exp2(-std::max(0.0, std::round(std::log2(std::sqrt(channels) / 4))));
}

// x is [N, C, 1, S]: 1/rms as [N, 1, 1, S].
Value build_inverse_rms(Builder& b, const OpArgs& args) {
  const Value x = args.value("x");
  const double channels = static_cast<double>(x->type.shape[1]);
  const double scale = square_scale(x->type.dtype, channels);
  const Value small = scale == 1 ? x : b.mul(x, scale);
  const Value sum = b.reduce_sum(b.mul(small, small), {1}, true);
  const Value mean = b.mul(sum, 1 / (channels * scale * scale));
  return b.pow(b.add(mean, args.number("epsilon", kDefaultEpsilon)), -0.5);
}

Value weight_column(Builder& b, const OpArgs& args) {
  return b.reshape(args.value("weight"), {1, args.shape("x")[1], 1, 1});
}

std::vector<Value> decompose_forward(Builder& b, const OpArgs& args) {
  return {b.mul(b.mul(args.value("x"), build_inverse_rms(b, args)), weight_column(b, args))};
}

std::vector<Value> decompose_backward(Builder& b, const OpArgs& args) {
  const Value x = args.value("x"), dy = args.value("dy");
  const double channels = static_cast<double>(x->type.shape[1]);
  const Value r = build_inverse_rms(b, args);
  const Value normal = b.mul(x, r);
  const Value weighted = b.mul(dy, weight_column(b, args));
  const Value mean = b.mul(b.reduce_sum(b.mul(weighted, normal), {1}, true), 1 / channels);
  Value dx = b.mul(b.sub(weighted, b.mul(normal, mean)), r);
  if (args.has("sum")) dx = b.add(args.value("sum"), dx);
  const Value dweight = b.reduce_sum(b.mul(dy, normal), {0, 2, 3}, false);
  return {dx, dweight};
}

double flops_forward(const OpArgs& args) { return 4 * one_flop_each(args); }
double flops_backward(const OpArgs& args) { return 9 * one_flop_each(args); }

const OpDef kOps[] = {
    {.name = "anemone.rms_norm",
     .params = kForward,
     .infer = infer_forward,
     .eval = eval_forward,
     .grad = grad_forward,
     .flops = flops_forward,
     .decompose = decompose_forward,
     .traits = Trait::kNorm},
    {.name = "anemone.rms_norm_backward",
     .params = kBackward,
     .infer = infer_backward,
     .eval = eval_backward,
     .flops = flops_backward,
     .decompose = decompose_backward,
     .traits = Trait::kNorm},
};

}  // namespace

std::span<const OpDef> composite_norm_ops() { return kOps; }

}  // namespace anemone
