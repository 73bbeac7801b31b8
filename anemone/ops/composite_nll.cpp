// The loss split so that the softmax can run elsewhere than the rest:
//   anemone.softmax_cross_entropy: logits [1, V, 1, S], targets [S] → loss [1], probabilities
//   anemone.nll_loss:              probabilities, targets → loss = mean of -log p[target]
//   anemone.nll_loss_backward:     → gradient of the logits behind the probabilities
// A probability below 2^-25, which fp16 cannot hold, counts as 2^-25.
#include <algorithm>
#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr double kLeastProbability = 0x1p-25;

constexpr Param kWhole[] = {param("logits", Accepts::kFloat), param("targets", Accepts::kInteger)};
constexpr Param kForward[] = {param("probabilities", Accepts::kFloat),
                              param("targets", Accepts::kInteger)};
constexpr Param kBackward[] = {param("probabilities", Accepts::kFloat),
                               param("targets", Accepts::kInteger),
                               param("dloss", Accepts::kFloat)};

// The scores, whether logits or probabilities.
const char* scores_of(const OpArgs& args) {
  return args.has("logits") ? "logits" : "probabilities";
}

void check_shapes(const OpArgs& args) {
  const char* scores = scores_of(args);
  const Shape& shape = args.shape(scores);
  args.require(shape.size() == 4 && shape[0] == 1 && shape[2] == 1 && shape[1] > 0 && shape[3] > 0,
               "{}.c1: {} are {}, not [1, V, 1, S]", args.op().type, scores, to_string(shape));
  args.require(args.type("targets") == Type::tensor(DType::kInt32, {shape[3]}),
               "{}.c2: targets are {}, not {}", args.op().type, to_string(args.type("targets")),
               to_string(Type::tensor(DType::kInt32, {shape[3]})));
}

std::vector<Type> infer_whole(const OpArgs& args) {
  check_shapes(args);
  return {Type::tensor(args.type("logits").dtype, {1}), args.type("logits")};
}

std::vector<Type> infer_forward(const OpArgs& args) {
  check_shapes(args);
  return {Type::tensor(args.type("probabilities").dtype, {1})};
}

std::vector<Type> infer_backward(const OpArgs& args) {
  check_shapes(args);
  args.require(args.shape("dloss") == Shape({1}), "{}.c3: dloss is {}", args.op().type,
               to_string(args.shape("dloss")));
  return {args.type("probabilities")};
}

int64_t checked_target(const EvalArgs& args, int64_t s, int64_t vocab) {
  const int32_t target = args.in("targets").as<int32_t>()[s];
  args.require(target >= 0 && target < vocab, "{}.c4: target {} at column {} is outside [0, {})",
               args.op().type, target, s, vocab);
  return target;
}

template <typename T>
double mean_loss(const EvalArgs& args, std::span<const T> probabilities, const Shape& shape) {
  double loss = 0;
  for (int64_t s = 0; s < shape[3]; ++s) {
    const double p = probabilities[checked_target(args, s, shape[1]) * shape[3] + s];
    loss -= std::log(std::max(p, kLeastProbability));
  }
  return loss / static_cast<double>(shape[3]);
}

void eval_whole(const EvalArgs& args) {
  const Shape& shape = args.shape("logits");
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto logits = args.in("logits").as<T>();
    const auto p = args.out(1).as<T>();
    for (int64_t s = 0; s < shape[3]; ++s) {
      double maximum = -INFINITY, sum = 0;
      for (int64_t v = 0; v < shape[1]; ++v) {
        maximum = std::max<double>(maximum, logits[v * shape[3] + s]);
      }
      for (int64_t v = 0; v < shape[1]; ++v) sum += std::exp(logits[v * shape[3] + s] - maximum);
      for (int64_t v = 0; v < shape[1]; ++v) {
        p[v * shape[3] + s] = static_cast<T>(std::exp(logits[v * shape[3] + s] - maximum) / sum);
      }
    }
    args.out(0).as<T>()[0] = static_cast<T>(mean_loss<T>(args, p, shape));
  });
}

void eval_forward(const EvalArgs& args) {
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    args.out().as<T>()[0] = static_cast<T>(
        mean_loss<T>(args, args.in("probabilities").as<T>(), args.shape("probabilities")));
  });
}

// dlogits = (p - onehot) * dloss / S
void eval_backward(const EvalArgs& args) {
  const Shape& shape = args.shape("probabilities");
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto p = args.in("probabilities").as<T>();
    const auto out = args.out().as<T>();
    const T scale = static_cast<T>(args.in("dloss").as<T>()[0] / static_cast<double>(shape[3]));
    for (size_t i = 0; i < p.size(); ++i) out[i] = p[i] * scale;
    for (int64_t s = 0; s < shape[3]; ++s) {
      out[checked_target(args, s, shape[1]) * shape[3] + s] -= scale;
    }
  });
}

Grads grad_whole(GradArgs& args) {
  if (!args.doutput(0)) return {};
  args.require(args.doutput(1) == nullptr,
               "anemone.softmax_cross_entropy: probabilities have no gradient");
  return {{args.value("logits"),
           args.builder.op("anemone.nll_loss_backward", {{"probabilities", args.output(1)},
                                                         {"targets", args.value("targets")},
                                                         {"dloss", args.doutput(0)}})}};
}

// 1 where v is the target of column s, as [1, V, 1, S].
Value one_hot(Builder& b, Value targets, const Type& scores) {
  const int64_t vocab = scores.shape[1], columns = scores.shape[3];
  std::vector<int32_t> ids(static_cast<size_t>(vocab));
  for (size_t v = 0; v < ids.size(); ++v) ids[v] = static_cast<int32_t>(v);
  const Value vocabulary = b.constant(Tensor::of<int32_t>({1, vocab, 1, 1}, ids), "vocabulary");
  const Value row = b.reshape(targets, {1, 1, 1, columns});
  return b.cast(b.binary("equal", vocabulary, row), scores.dtype);
}

Value build_loss(Builder& b, Value p, Value targets) {
  const Value picked = b.reduce_sum(b.mul(p, one_hot(b, targets, p->type)), {1}, true);
  const Value least = b.scalar(p->type.dtype, kLeastProbability);
  const Value logs = b.unary("log", b.binary("maximum", picked, least));
  const Value total = b.reduce_sum(logs, {0, 1, 2, 3}, true);
  return b.reshape(b.mul(total, -1 / static_cast<double>(p->type.shape[3])), {1});
}

std::vector<Value> decompose_whole(Builder& b, const OpArgs& args) {
  const Value p = b.softmax(args.value("logits"), 1);
  return {build_loss(b, p, args.value("targets")), p};
}

std::vector<Value> decompose_forward(Builder& b, const OpArgs& args) {
  return {build_loss(b, args.value("probabilities"), args.value("targets"))};
}

std::vector<Value> decompose_backward(Builder& b, const OpArgs& args) {
  const Value p = args.value("probabilities");
  const Value scale = b.mul(args.value("dloss"), 1 / static_cast<double>(p->type.shape[3]));
  const Value hot = one_hot(b, args.value("targets"), p->type);
  return {b.mul(b.sub(p, hot), b.reshape(scale, {1, 1, 1, 1}))};
}

double flops_whole(const OpArgs& args) {
  return 5.0 * static_cast<double>(element_count(args.shape("logits")));
}
double flops_backward(const OpArgs& args) {
  return 2.0 * static_cast<double>(element_count(args.shape("probabilities")));
}

const OpDef kOps[] = {
    {.name = "anemone.softmax_cross_entropy",
     .params = kWhole,
     .infer = infer_whole,
     .eval = eval_whole,
     .grad = grad_whole,
     .flops = flops_whole,
     .decompose = decompose_whole},
    {.name = "anemone.nll_loss",
     .params = kForward,
     .infer = infer_forward,
     .eval = eval_forward,
     .decompose = decompose_forward},
    {.name = "anemone.nll_loss_backward",
     .params = kBackward,
     .infer = infer_backward,
     .eval = eval_backward,
     .flops = flops_backward,
     .decompose = decompose_backward},
};

}  // namespace

std::span<const OpDef> composite_nll_ops() { return kOps; }

}  // namespace anemone
