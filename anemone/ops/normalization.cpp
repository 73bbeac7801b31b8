// softmax, and normalisation by mean and variance or by length.
#include <algorithm>
#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

constexpr Param kSoftmax[] = {param("x", Accepts::kFloat),
                              optional_const("axis", Accepts::kInteger)};
constexpr Param kLayerNorm[] = {
    param("x", Accepts::kFloat), optional_const("axes", Accepts::kInteger),
    optional_param("gamma", Accepts::kFloat), optional_param("beta", Accepts::kFloat),
    optional_const("epsilon", Accepts::kFloat)};
constexpr Param kInstanceNorm[] = {
    param("x", Accepts::kFloat), optional_param("gamma", Accepts::kFloat),
    optional_param("beta", Accepts::kFloat), optional_const("epsilon", Accepts::kFloat)};
constexpr Param kBatchNorm[] = {param("x", Accepts::kFloat),
                                param("mean", Accepts::kFloat),
                                param("variance", Accepts::kFloat),
                                optional_param("gamma", Accepts::kFloat),
                                optional_param("beta", Accepts::kFloat),
                                optional_const("epsilon", Accepts::kFloat)};
constexpr Param kL2Norm[] = {param("x", Accepts::kFloat),
                             optional_const("epsilon", Accepts::kFloat)};

constexpr double kEpsilon = 1e-5, kL2Epsilon = 1e-6;

size_t softmax_axis(const OpArgs& args) {
  return args.axis(args.integer("axis", -1), args.shape("x").size(), "softmax.c1");
}

std::vector<Type> infer_softmax(const OpArgs& args) {
  softmax_axis(args);
  return {args.type("x")};
}

// `count` elements that lie `step` apart.
template <typename T>
void softmax_row(const T* x, T* out, int64_t count, int64_t step) {
  double largest = static_cast<double>(x[0]), sum = 0;
  for (int64_t i = 1; i < count; ++i) largest = std::max<double>(largest, x[i * step]);
  for (int64_t i = 0; i < count; ++i) sum += std::exp(x[i * step] - largest);
  for (int64_t i = 0; i < count; ++i) {
    out[i * step] = static_cast<T>(std::exp(x[i * step] - largest) / sum);
  }
}

void eval_softmax(const EvalArgs& args) {
  const AxisSplit split = split_at(args.in("x").shape, softmax_axis(args));
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = args.in("x").as<T>().data();
    T* out = args.out().as<T>().data();
    for (int64_t row = 0; row < split.outer * split.inner; ++row) {
      const int64_t start = row / split.inner * split.size * split.inner + row % split.inner;
      softmax_row(x + start, out + start, split.size, split.inner);
    }
  });
}

// dx = y * (dy - sum(dy * y))
Grads grad_softmax(GradArgs& args) {
  Builder& b = args.builder;
  const Value y = args.output(), g = args.doutput();
  const Value dot = b.reduce_sum(b.mul(g, y), {static_cast<int64_t>(softmax_axis(args))}, true);
  return {{args.value("x"), b.mul(y, b.sub(g, dot))}};
}

// What is normalised together: x's shape with 1 for `axes` is `kept`, the shape of the statistics;
// gamma and beta have the shape `parameter` once they are given x's rank.
struct Norm {
  std::vector<int64_t> axes;
  Shape kept, parameter;
};

Norm norm_over(const Shape& shape, const std::vector<size_t>& axes) {
  Norm norm{{axes.begin(), axes.end()}, shape, Shape(shape.size(), 1)};
  for (size_t axis : axes) norm.kept[axis] = 1;
  return norm;
}

// A parameter for each channel: axis 1.
Shape channel_shape(const Shape& shape) {
  Shape result(shape.size(), 1);
  result[1] = shape[1];
  return result;
}

Norm layer_norm(const OpArgs& args) {
  const Shape& shape = args.shape("x");
  std::vector<int64_t> all(shape.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  const auto axes = distinct_axes(args, args.integers("axes", all), shape.size(), "layer_norm.c1");
  args.require(std::is_sorted(axes.begin(), axes.end()), "layer_norm.c2: axes do not ascend");
  Norm norm = norm_over(shape, axes);
  for (size_t axis : axes) norm.parameter[axis] = shape[axis];
  return norm;
}

Norm instance_norm(const OpArgs& args) {
  const Shape& shape = args.shape("x");
  args.require(shape.size() == 3 || shape.size() == 4,
               "instance_norm.c1: x {} is not [N, C, one or two spatial sizes]", to_string(shape));
  std::vector<size_t> axes = {2};
  if (shape.size() == 4) axes.push_back(3);
  Norm norm = norm_over(shape, axes);
  norm.parameter = channel_shape(shape);
  return norm;
}

Norm norm_of(const OpArgs& args) {
  return args.op().type == "layer_norm" ? layer_norm(args) : instance_norm(args);
}

// The parameters that are given have x's element type and `shape`.
void require_parameters(const OpArgs& args, std::initializer_list<const char*> names,
                        const Shape& shape, const char* rule) {
  const Type wanted = Type::tensor(args.type("x").dtype, shape);
  for (const char* name : names) {
    const bool fits = !args.has(name) || (args.shape(name) == shape && args.go_together(name, "x"));
    args.require(fits, "{}.{}: '{}' is {}, not {}", args.op().type, rule, name,
                 args.has(name) ? to_string(args.type(name)) : "", to_string(wanted));
  }
  args.number("epsilon", kEpsilon);  // one number
}

std::vector<Type> infer_layer_norm(const OpArgs& args) {
  Shape parameter;
  for (int64_t axis : layer_norm(args).axes) {
    parameter.push_back(args.shape("x")[static_cast<size_t>(axis)]);
  }
  require_parameters(args, {"gamma", "beta"}, parameter, "c3");
  return {args.type("x")};
}

std::vector<Type> infer_instance_norm(const OpArgs& args) {
  instance_norm(args);
  require_parameters(args, {"gamma", "beta"}, {args.shape("x")[1]}, "c2");
  return {args.type("x")};
}

std::vector<Type> infer_batch_norm(const OpArgs& args) {
  const Shape& x = args.shape("x");
  args.require(x.size() >= 3 && x.size() <= 5,
               "batch_norm.c1: x {} is not [N, C, 1 to 3 spatial sizes]", to_string(x));
  require_parameters(args, {"mean", "variance", "gamma", "beta"}, {x[1]}, "c2");
  return {args.type("x")};
}

// Elements of an operand as doubles.
std::vector<double> numbers(const TensorView& view) {
  std::vector<double> result(static_cast<size_t>(view.size()));
  with_float(view.dtype, [&](auto type) {
    const auto from = view.as<decltype(type)>();
    std::copy(from.begin(), from.end(), result.begin());
  });
  return result;
}

// Calls visit(element, the one of a smaller tensor that belongs to it).
template <typename Visit>
void for_each_pair(std::vector<double>& elements, const Shape& shape,
                   const std::vector<double>& smaller, const Shape& smaller_shape, Visit&& visit) {
  for_each_offset(shape, broadcast_strides(smaller_shape, shape), [&](int64_t i, int64_t offset) {
    visit(elements[static_cast<size_t>(i)], smaller[static_cast<size_t>(offset)]);
  });
}

// Means of f(element) over what `kept` leaves out.
template <typename F>
std::vector<double> means(const std::vector<double>& elements, const Shape& shape,
                          const Shape& kept, F&& f) {
  std::vector<double> result(static_cast<size_t>(element_count(kept)), 0);
  for_each_offset(shape, broadcast_strides(kept, shape), [&](int64_t i, int64_t offset) {
    result[static_cast<size_t>(offset)] += f(elements[static_cast<size_t>(i)]);
  });
  const double count = static_cast<double>(elements.size()) / static_cast<double>(result.size());
  for (double& sum : result) sum /= count;
  return result;
}

// out = (x - mean) / sqrt(variance + epsilon) * gamma + beta; `x` is used up.
void finish(const EvalArgs& args, std::vector<double> x, const std::vector<double>& variance,
            const Shape& kept, const Shape& parameter) {
  const Shape& shape = args.out().shape;
  const double epsilon = args.number("epsilon", kEpsilon);
  for_each_pair(x, shape, variance, kept,
                [=](double& e, double v) { e /= std::sqrt(v + epsilon); });
  if (args.has("gamma")) {
    for_each_pair(x, shape, numbers(args.in("gamma")), parameter,
                  [](double& e, double gamma) { e *= gamma; });
  }
  if (args.has("beta")) {
    for_each_pair(x, shape, numbers(args.in("beta")), parameter,
                  [](double& e, double beta) { e += beta; });
  }
  with_float(args.out().dtype, [&](auto type) {
    const auto out = args.out().as<decltype(type)>();
    for (size_t i = 0; i < x.size(); ++i) out[i] = static_cast<decltype(type)>(x[i]);
  });
}

void subtract(std::vector<double>& x, const Shape& shape, const std::vector<double>& mean,
              const Shape& mean_shape) {
  for_each_pair(x, shape, mean, mean_shape, [](double& e, double m) { e -= m; });
}

void eval_norm(const EvalArgs& args) {
  const Norm norm = norm_of(args);
  const Shape& shape = args.in("x").shape;
  std::vector<double> x = numbers(args.in("x"));
  subtract(x, shape, means(x, shape, norm.kept, [](double e) { return e; }), norm.kept);
  const auto variance = means(x, shape, norm.kept, [](double e) { return e * e; });
  finish(args, std::move(x), variance, norm.kept, norm.parameter);
}

void eval_batch_norm(const EvalArgs& args) {
  const Shape &shape = args.in("x").shape, channels = channel_shape(shape);
  std::vector<double> x = numbers(args.in("x"));
  subtract(x, shape, numbers(args.in("mean")), channels);
  finish(args, std::move(x), numbers(args.in("variance")), channels, channels);
}

Value rsqrt(Builder& b, Value x, double epsilon) {
  return b.op("rsqrt", {{"x", x}, {"epsilon", b.scalar(x->type.dtype, epsilon)}});
}

// Gradients of gamma and beta, where they are asked for.
void add_affine(GradArgs& args, Value normalized, const Shape& parameter, Grads& grads) {
  Builder& b = args.builder;
  const auto give = [&](const char* name, Value gradient) {
    const Value sum = b.reshape(b.sum_to_shape(gradient, parameter), args.shape(name));
    grads.emplace_back(args.value(name), b.in_type(sum, args.type(name).dtype));
  };
  if (args.wants("gamma")) give("gamma", b.mul(args.doutput(), normalized));
  if (args.wants("beta")) give("beta", args.doutput());
}

// dy * gamma.
Value scaled_gradient(GradArgs& args, const Shape& parameter) {
  Builder& b = args.builder;
  if (!args.has("gamma")) return args.doutput();
  const Value gamma = b.in_type(args.value("gamma"), args.doutput()->type.dtype);
  return b.mul(args.doutput(), b.reshape(gamma, parameter));
}

// With z = (x - mean) / sigma and g = dy * gamma: dx = (g - mean(g) - z * mean(g * z)) / sigma.
Grads grad_norm(GradArgs& args) {
  Builder& b = args.builder;
  const Norm norm = norm_of(args);
  const Value x = args.value("x");
  const auto mean = [&](Value value) { return b.reduce("reduce_mean", value, norm.axes, true); };
  const Value centered = b.sub(x, mean(x));
  const Value inverse = rsqrt(b, mean(b.mul(centered, centered)), args.number("epsilon", kEpsilon));
  const Value z = b.mul(centered, inverse);
  Grads grads;
  if (args.wants("x")) {
    const Value g = scaled_gradient(args, norm.parameter);
    const Value along = b.mul(z, mean(b.mul(g, z)));
    grads.emplace_back(x, b.mul(inverse, b.sub(b.sub(g, mean(g)), along)));
  }
  add_affine(args, z, norm.parameter, grads);
  return grads;
}

Grads grad_batch_norm(GradArgs& args) {
  Builder& b = args.builder;
  const Shape channels = channel_shape(args.shape("x"));
  const DType dtype = args.type("x").dtype;
  const auto parameter = [&](const char* name) {
    return b.reshape(b.in_type(args.value(name), dtype), channels);
  };
  const Value inverse = rsqrt(b, parameter("variance"), args.number("epsilon", kEpsilon));
  const Value z = b.mul(b.sub(args.value("x"), parameter("mean")), inverse);
  const Value dx = b.mul(scaled_gradient(args, channels), inverse);
  const auto sum = [&](Value value, const char* name, double factor) {
    const Value total = b.mul(b.reshape(b.sum_to_shape(value, channels), args.shape(name)), factor);
    return b.in_type(total, args.type(name).dtype);
  };
  Grads grads;
  if (args.wants("x")) grads.emplace_back(args.value("x"), dx);
  if (args.wants("mean")) grads.emplace_back(args.value("mean"), sum(dx, "mean", -1));
  if (args.wants("variance")) {
    grads.emplace_back(args.value("variance"), sum(b.mul(b.mul(dx, z), inverse), "variance", -0.5));
  }
  add_affine(args, z, channels, grads);
  return grads;
}

std::vector<int64_t> last_three(const OpArgs& args) {
  const auto rank = static_cast<int64_t>(args.shape("x").size());
  args.require(rank >= 3, "l2_norm.c1: x {} has less than three axes", to_string(args.shape("x")));
  return {rank - 3, rank - 2, rank - 1};
}

std::vector<Type> infer_l2_norm(const OpArgs& args) {
  last_three(args);
  args.number("epsilon", kL2Epsilon);
  return {args.type("x")};
}

void eval_l2_norm(const EvalArgs& args) {
  const double epsilon = args.number("epsilon", kL2Epsilon);
  const std::vector<double> x = numbers(args.in("x"));
  const Shape& shape = args.in("x").shape;
  const auto length = static_cast<size_t>(element_count(Shape(shape.end() - 3, shape.end())));
  with_float(args.out().dtype, [&](auto type) {
    const auto out = args.out().as<decltype(type)>();
    for (size_t start = 0; start < x.size(); start += length) {
      double sum = 0;
      for (size_t i = start; i < start + length; ++i) sum += x[i] * x[i];
      const double norm = std::sqrt(sum + epsilon);
      for (size_t i = start; i < start + length; ++i) {
        out[i] = static_cast<decltype(type)>(x[i] / norm);
      }
    }
  });
}

// With r = 1 / sqrt(sum x^2 + epsilon): dx = r * (dy - x * r^2 * sum(dy * x)).
Grads grad_l2_norm(GradArgs& args) {
  Builder& b = args.builder;
  const std::vector<int64_t> axes = last_three(args);
  const Value x = args.value("x"), g = args.doutput();
  const Value r =
      rsqrt(b, b.reduce("reduce_sum_square", x, axes, true), args.number("epsilon", kL2Epsilon));
  const Value share = b.mul(b.mul(r, r), b.reduce_sum(b.mul(g, x), axes, true));
  return {{x, b.mul(r, b.sub(g, b.mul(x, share)))}};
}

const OpDef kOps[] = {
    {.name = "softmax",
     .params = kSoftmax,
     .infer = infer_softmax,
     .eval = eval_softmax,
     .grad = grad_softmax,
     .flops = ten_flops_each,
     .traits = Trait::kTranscendental},
    {.name = "layer_norm",
     .params = kLayerNorm,
     .infer = infer_layer_norm,
     .eval = eval_norm,
     .grad = grad_norm,
     .flops = ten_flops_each,
     .traits = Trait::kNorm},
    {.name = "instance_norm",
     .params = kInstanceNorm,
     .infer = infer_instance_norm,
     .eval = eval_norm,
     .grad = grad_norm,
     .flops = ten_flops_each,
     .traits = Trait::kNorm},
    {.name = "batch_norm",
     .params = kBatchNorm,
     .infer = infer_batch_norm,
     .eval = eval_batch_norm,
     .grad = grad_batch_norm,
     .flops = ten_flops_each,
     .traits = Trait::kNorm},
    {.name = "l2_norm",
     .params = kL2Norm,
     .infer = infer_l2_norm,
     .eval = eval_l2_norm,
     .grad = grad_l2_norm,
     .flops = ten_flops_each,
     .traits = Trait::kNorm},
};

}  // namespace

std::span<const OpDef> normalization_ops() { return kOps; }

}  // namespace anemone
