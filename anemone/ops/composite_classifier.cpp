// The classifier and its loss as one operation, whose parts can run on different devices:
//   anemone.classifier_loss: x [1, C, 1, S], weight [V, C, 1, 1], targets [S]
//                            → loss [1], probabilities [1, V, 1, S]
// In parts: conv, softmax, and anemone.nll_loss = mean of -log p[target] over the columns that
// count. A probability below 2^-25, which fp16 cannot hold, counts as 2^-25.
//
// With p the probabilities, T the targets and g = dloss / N for the N columns that count, else 0:
//   dx = g (Wᵀ p - W[T]): anemone.expected_rows and a gather, so that nothing of the size of the
//        vocabulary has to be changed on the way
//   dW = p (g x)ᵀ, with g x taken from the rows of the targets: anemone.classifier_weight_gradient,
//        which adds to a sum in place, and needs no gradient of the logits either
#include <algorithm>
#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/targets.h"

namespace anemone {
namespace {

constexpr double kLeastProbability = 0x1p-25;

constexpr Param kWhole[] = {param("x", Accepts::kFloat), param("weight", Accepts::kFloat),
                            param("targets", Accepts::kInteger)};
constexpr Param kRows[] = {param("x", Accepts::kFloat), param("weight", Accepts::kFloat)};
constexpr Param kForward[] = {param("probabilities", Accepts::kFloat),
                              param("targets", Accepts::kInteger)};
constexpr Param kWeightGradient[] = {
    optional_param("sum", Accepts::kFloat), param("probabilities", Accepts::kFloat),
    param("x", Accepts::kFloat), param("targets", Accepts::kInteger),
    param("dloss", Accepts::kFloat)};

void check_shapes(const OpArgs& args) {
  const Shape& shape = args.shape("probabilities");
  args.require(shape.size() == 4 && shape[0] == 1 && shape[2] == 1 && shape[1] > 0 && shape[3] > 0,
               "{}.c1: probabilities are {}, not [1, V, 1, S]", args.op().type, to_string(shape));
  check_targets(args, shape[3]);
}

// x [1, C, 1, S] and weight [V, C, 1, 1], or x [1, V, 1, S] for `transposed`.
void check_product(const OpArgs& args, bool transposed) {
  const Shape &x = args.shape("x"), &w = args.shape("weight");
  const bool fits = x.size() == 4 && w.size() == 4 && x[0] == 1 && x[2] == 1 && w[2] == 1 &&
                    w[3] == 1 && x[1] == w[transposed ? 0 : 1] &&
                    args.type("x").dtype == args.type("weight").dtype;
  args.require(fits, "{}.c1: x is {} and weight {}, not [1, C, 1, S] and 1x1 of as many channels",
               args.op().type, to_string(args.type("x")), to_string(args.type("weight")));
}

Type image(const OpArgs& args, int64_t channels) {
  return Type::tensor(args.type("x").dtype, {1, channels, 1, args.shape("x")[3]});
}

std::vector<Type> infer_whole(const OpArgs& args) {
  check_product(args, false);
  check_targets(args, args.shape("x")[3]);
  return {Type::tensor(args.type("x").dtype, {1}), image(args, args.shape("weight")[0])};
}

std::vector<Type> infer_rows(const OpArgs& args) {
  check_product(args, true);
  return {image(args, args.shape("weight")[1])};
}

std::vector<Type> infer_forward(const OpArgs& args) {
  check_shapes(args);
  return {Type::tensor(args.type("probabilities").dtype, {1})};
}

std::vector<Type> infer_weight_gradient(const OpArgs& args) {
  check_shapes(args);
  const Shape &p = args.shape("probabilities"), &x = args.shape("x");
  const Type result = Type::tensor(args.type("x").dtype, {p[1], x.size() == 4 ? x[1] : 0, 1, 1});
  args.require(x.size() == 4 && x[3] == p[3] && args.shape("dloss") == Shape({1}) &&
                   (!args.has("sum") || args.type("sum") == result),
               "{}.c3: probabilities are {}, x {} and dloss {}", args.op().type, to_string(p),
               to_string(x), to_string(args.shape("dloss")));
  return {result};
}

template <typename T>
double mean_loss(const EvalArgs& args, std::span<const T> probabilities, const Shape& shape) {
  double loss = 0;
  for (int64_t s = 0; s < shape[3]; ++s) {
    const int64_t target = checked_target(args, s, shape[1]);
    if (target == kIgnoredTarget) continue;
    const double p = probabilities[target * shape[3] + s];
    loss -= std::log(std::max(p, kLeastProbability));
  }
  return loss / static_cast<double>(counted_targets(args));
}

// Column s of logits, turned into probabilities in place.
template <typename T>
void softmax_column(std::span<T> p, const Shape& shape, int64_t s) {
  double maximum = -INFINITY, sum = 0;
  for (int64_t v = 0; v < shape[1]; ++v) maximum = std::max<double>(maximum, p[v * shape[3] + s]);
  for (int64_t v = 0; v < shape[1]; ++v) sum += std::exp(p[v * shape[3] + s] - maximum);
  for (int64_t v = 0; v < shape[1]; ++v) {
    T& value = p[v * shape[3] + s];
    value = static_cast<T>(std::exp(value - maximum) / sum);
  }
}

void eval_whole(const EvalArgs& args) {
  const Shape& shape = args.op().outputs[1]->type.shape;
  const int64_t channels = args.shape("x")[1], columns = shape[3];
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto x = args.in("x").as<T>(), w = args.in("weight").as<T>();
    const auto p = args.out(1).as<T>();
    for (int64_t s = 0; s < columns; ++s) {
      for (int64_t v = 0; v < shape[1]; ++v) {
        double sum = 0;
        for (int64_t c = 0; c < channels; ++c) {
          sum += static_cast<double>(w[v * channels + c]) * x[c * columns + s];
        }
        p[v * columns + s] = static_cast<T>(sum);
      }
      softmax_column<T>(p, shape, s);
    }
    args.out(0).as<T>()[0] = static_cast<T>(mean_loss<T>(args, p, shape));
  });
}

void eval_rows(const EvalArgs& args) {
  const int64_t rows = args.shape("weight")[0], channels = args.shape("weight")[1];
  const int64_t columns = args.shape("x")[3];
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto p = args.in("x").as<T>(), w = args.in("weight").as<T>();
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t s = 0; s < columns; ++s) {
        double sum = 0;
        for (int64_t v = 0; v < rows; ++v) {
          sum += static_cast<double>(w[v * channels + c]) * p[v * columns + s];
        }
        args.out().as<T>()[c * columns + s] = static_cast<T>(sum);
      }
    }
  });
}

void eval_forward(const EvalArgs& args) {
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    args.out().as<T>()[0] = static_cast<T>(
        mean_loss<T>(args, args.in("probabilities").as<T>(), args.shape("probabilities")));
  });
}

void eval_weight_gradient(const EvalArgs& args) {
  const Shape &p_shape = args.shape("probabilities"), &x_shape = args.shape("x");
  const int64_t vocab = p_shape[1], columns = p_shape[3], channels = x_shape[1];
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto p = args.in("probabilities").as<T>(), x = args.in("x").as<T>();
    const double scale = args.in("dloss").as<T>()[0] / static_cast<double>(counted_targets(args));
    std::vector<double> sums(args.out().as<T>().size(), 0);
    for (int64_t s = 0; s < columns; ++s) {
      const int64_t target = checked_target(args, s, vocab);
      if (target == kIgnoredTarget) continue;
      for (int64_t v = 0; v < vocab; ++v) {
        const double dlogit = (p[v * columns + s] - (v == target)) * scale;
        for (int64_t c = 0; c < channels; ++c) {
          sums[static_cast<size_t>(v * channels + c)] += dlogit * x[c * columns + s];
        }
      }
    }
    for (size_t i = 0; i < sums.size(); ++i) {
      const double before = args.has("sum") ? args.in("sum").as<T>()[i] : 0;
      args.out().as<T>()[i] = static_cast<T>(before + sums[i]);
    }
  });
}

// A target that is ignored, -1, picks the last row, and its share of nothing takes it away again.
Value gradient_of_x(Builder& b, GradArgs& args) {
  const Value x = args.value("x"), weight = args.value("weight");
  const Shape &shape = x->type.shape, &w = weight->type.shape;
  const Value expected = b.op("anemone.expected_rows", {{"x", args.output(1)}, {"weight", weight}});
  const Value rows = b.op("gather", {{"x", b.reshape(weight, {w[0], w[1]})},
                                     {"indices", args.value("targets")},
                                     {"axis", b.integer(0)}});
  const Value actual = b.reshape(b.transpose(rows, {1, 0}), shape);
  const Value shares = b.op("anemone.target_shares",
                            {{"targets", args.value("targets")}, {"dloss", args.doutput(0)}});
  return b.mul(b.sub(expected, actual), shares);
}

Grads grad_whole(GradArgs& args) {
  if (!args.doutput(0)) return {};
  args.require(args.doutput(1) == nullptr,
               "anemone.classifier_loss: probabilities have no gradient");
  Grads grads;
  if (args.wants("x")) grads.emplace_back(args.value("x"), gradient_of_x(args.builder, args));
  if (args.wants("weight")) {
    grads.emplace_back(args.value("weight"), args.builder.op("anemone.classifier_weight_gradient",
                                                             {{"probabilities", args.output(1)},
                                                              {"x", args.value("x")},
                                                              {"targets", args.value("targets")},
                                                              {"dloss", args.doutput(0)}}));
  }
  return grads;
}

Value build_loss(Builder& b, Value p, Value targets) {
  const Value picked = b.reduce_sum(b.mul(p, one_hot_targets(b, targets, p->type)), {1}, true);
  const Value least = b.scalar(p->type.dtype, kLeastProbability);
  const Value logs = b.unary("log", b.binary("maximum", picked, least));
  return mean_over_targets(b, b.mul(logs, -1), targets);
}

std::vector<Value> decompose_whole(Builder& b, const OpArgs& args) {
  const Value p = b.softmax(b.conv1x1(args.value("x"), args.value("weight")), 1);
  return {build_loss(b, p, args.value("targets")), p};
}

// In fp16 probabilities are so small that their products with weights would vanish on the grid of
// the Neural Engine's products (ane.c72): they are scaled up, and the sum down.
std::vector<Value> decompose_rows(Builder& b, const OpArgs& args) {
  const Value p = args.value("x"), weight = args.value("weight");
  const double scale = p->type.dtype == DType::kFp16 ? 0x1p12 : 1;
  const Shape shape = args.op().outputs[0]->type.shape;
  const auto scaled = [&](Value x, double by) { return by == 1 ? x : b.mul(x, by); };
  const Value product = b.op("conv_transpose", {{"x", scaled(p, scale)}, {"weight", weight}});
  return {scaled(b.reshape(product, shape), 1 / scale)};
}

std::vector<Value> decompose_forward(Builder& b, const OpArgs& args) {
  return {build_loss(b, args.value("probabilities"), args.value("targets"))};
}

std::vector<Value> decompose_weight_gradient(Builder& b, const OpArgs& args) {
  const Value p = args.value("probabilities"), x = args.value("x"), targets = args.value("targets");
  const int64_t vocab = p->type.shape[1], columns = p->type.shape[3], channels = x->type.shape[1];
  const Value dlogits = b.mul(b.sub(p, one_hot_targets(b, targets, p->type)),
                              target_shares(b, targets, args.value("dloss")));
  const Value product = b.matmul(b.reshape(dlogits, {vocab, columns}),
                                 b.reshape(x, {channels, columns}), false, true);
  const Value gradient = b.reshape(product, {vocab, channels, 1, 1});
  return {args.has("sum") ? b.add(args.value("sum"), gradient) : gradient};
}

double product_flops(const OpArgs& args) {
  return 2.0 * static_cast<double>(element_count(args.shape("weight")) * args.shape("x")[3]);
}
double flops_whole(const OpArgs& args) {
  return product_flops(args) +
         5.0 * static_cast<double>(args.shape("weight")[0] * args.shape("x")[3]);
}
double flops_weight_gradient(const OpArgs& args) {
  return 2.0 * static_cast<double>(element_count(args.shape("probabilities")) * args.shape("x")[1]);
}

const OpDef kOps[] = {
    {.name = "anemone.classifier_loss",
     .params = kWhole,
     .infer = infer_whole,
     .eval = eval_whole,
     .grad = grad_whole,
     .flops = flops_whole,
     .decompose = decompose_whole},
    {.name = "anemone.expected_rows",
     .params = kRows,
     .infer = infer_rows,
     .eval = eval_rows,
     .flops = product_flops,
     .decompose = decompose_rows,
     .traits = Trait::kProduct},
    {.name = "anemone.nll_loss",
     .params = kForward,
     .infer = infer_forward,
     .eval = eval_forward,
     .decompose = decompose_forward},
    {.name = "anemone.classifier_weight_gradient",
     .params = kWeightGradient,
     .infer = infer_weight_gradient,
     .eval = eval_weight_gradient,
     .flops = flops_weight_gradient,
     .decompose = decompose_weight_gradient,
     .traits = Trait::kProduct},
};

}  // namespace

std::span<const OpDef> composite_classifier_ops() { return kOps; }

}  // namespace anemone
