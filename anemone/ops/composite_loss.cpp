// anemone.cross_entropy: mean over the columns of -log softmax(logits)[target], and its backward.
//   logits [1, V, 1, S], targets int32 [S] → loss [1], log_sum_exp [S] (kept for the backward)
#include <algorithm>
#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kForward[] = {param("logits", Accepts::kFloat),
                              param("targets", Accepts::kInteger)};
constexpr Param kBackward[] = {
    param("logits", Accepts::kFloat), param("targets", Accepts::kInteger),
    param("log_sum_exp", Accepts::kFloat), param("dloss", Accepts::kFloat)};

void check_shapes(const OpArgs& args) {
  const Shape& logits = args.shape("logits");
  args.require(
      logits.size() == 4 && logits[0] == 1 && logits[2] == 1 && logits[1] > 0 && logits[3] > 0,
      "{}.c1: logits are {}, not [1, V, 1, S]", args.op().type, to_string(logits));
  args.require(args.type("targets") == Type::tensor(DType::kInt32, {logits[3]}),
               "{}.c2: targets are {}, not {}", args.op().type, to_string(args.type("targets")),
               to_string(Type::tensor(DType::kInt32, {logits[3]})));
}

std::vector<Type> infer_forward(const OpArgs& args) {
  check_shapes(args);
  const DType dtype = args.type("logits").dtype;
  return {Type::tensor(dtype, {1}), Type::tensor(dtype, {args.shape("logits")[3]})};
}

std::vector<Type> infer_backward(const OpArgs& args) {
  check_shapes(args);
  args.require(
      args.shape("log_sum_exp") == args.shape("targets") && args.shape("dloss") == Shape({1}),
      "{}.c3: log_sum_exp is {} and dloss {}", args.op().type, to_string(args.shape("log_sum_exp")),
      to_string(args.shape("dloss")));
  return {args.type("logits")};
}

int64_t checked_target(const EvalArgs& args, int64_t s, int64_t vocab) {
  const int32_t target = args.in("targets").as<int32_t>()[s];
  args.require(target >= 0 && target < vocab, "{}.c4: target {} at column {} is outside [0, {})",
               args.op().type, target, s, vocab);
  return target;
}

void eval_forward(const EvalArgs& args) {
  const int64_t vocab = args.shape("logits")[1], columns = args.shape("logits")[3];
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto logits = args.in("logits").as<T>();
    double loss = 0;
    for (int64_t s = 0; s < columns; ++s) {
      double maximum = logits[s], sum = 0;
      for (int64_t v = 1; v < vocab; ++v) {
        maximum = std::max<double>(maximum, logits[v * columns + s]);
      }
      for (int64_t v = 0; v < vocab; ++v) sum += std::exp(logits[v * columns + s] - maximum);
      const double log_sum_exp = maximum + std::log(sum);
      args.out(1).as<T>()[s] = static_cast<T>(log_sum_exp);
      loss += log_sum_exp - logits[checked_target(args, s, vocab) * columns + s];
    }
    args.out(0).as<T>()[0] = static_cast<T>(loss / static_cast<double>(columns));
  });
}

// dlogits = (softmax - onehot) * dloss / S
void eval_backward(const EvalArgs& args) {
  const int64_t vocab = args.shape("logits")[1], columns = args.shape("logits")[3];
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto logits = args.in("logits").as<T>();
    const double scale = args.in("dloss").as<T>()[0] / static_cast<double>(columns);
    for (int64_t s = 0; s < columns; ++s) {
      const int64_t target = checked_target(args, s, vocab);
      const double log_sum_exp = args.in("log_sum_exp").as<T>()[s];
      for (int64_t v = 0; v < vocab; ++v) {
        const double p = std::exp(logits[v * columns + s] - log_sum_exp);
        args.out().as<T>()[v * columns + s] = static_cast<T>((p - (v == target)) * scale);
      }
    }
  });
}

Grads grad_forward(GradArgs& args) {
  if (!args.doutput(0)) return {};
  args.require(args.doutput(1) == nullptr, "anemone.cross_entropy: log_sum_exp has no gradient");
  return {{args.value("logits"),
           args.builder.op("anemone.cross_entropy_backward", {{"logits", args.value("logits")},
                                                              {"targets", args.value("targets")},
                                                              {"log_sum_exp", args.output(1)},
                                                              {"dloss", args.doutput(0)}})}};
}

// 1 where v is the target of column s, as [1, V, 1, S].
Value one_hot(Builder& b, const OpArgs& args) {
  const int64_t vocab = args.shape("logits")[1], columns = args.shape("logits")[3];
  std::vector<int32_t> ids(static_cast<size_t>(vocab));
  for (size_t v = 0; v < ids.size(); ++v) ids[v] = static_cast<int32_t>(v);
  const Value vocabulary = b.constant(Tensor::of<int32_t>({1, vocab, 1, 1}, ids), "vocabulary");
  const Value targets = b.reshape(args.value("targets"), {1, 1, 1, columns});
  return b.cast(b.binary("equal", vocabulary, targets), args.type("logits").dtype);
}

std::vector<Value> decompose_forward(Builder& b, const OpArgs& args) {
  const Value logits = args.value("logits");
  const int64_t columns = logits->type.shape[3];
  const Value maximum = b.reduce("reduce_max", logits, {1}, true);
  const Value sum = b.reduce_sum(b.unary("exp", b.sub(logits, maximum)), {1}, true);
  const Value log_sum_exp = b.add(maximum, b.unary("log", sum));
  const Value picked = b.reduce_sum(b.mul(logits, one_hot(b, args)), {1}, true);
  const Value total = b.reduce_sum(b.sub(log_sum_exp, picked), {0, 1, 2, 3}, true);
  return {b.reshape(b.mul(total, 1 / static_cast<double>(columns)), {1}),
          b.reshape(log_sum_exp, {columns})};
}

std::vector<Value> decompose_backward(Builder& b, const OpArgs& args) {
  const Value logits = args.value("logits");
  const int64_t columns = logits->type.shape[3];
  const Value log_sum_exp = b.reshape(args.value("log_sum_exp"), {1, 1, 1, columns});
  const Value p = b.unary("exp", b.sub(logits, log_sum_exp));
  const Value scale = b.mul(args.value("dloss"), 1 / static_cast<double>(columns));
  return {b.mul(b.sub(p, one_hot(b, args)), b.reshape(scale, {1, 1, 1, 1}))};
}

double flops_forward(const OpArgs& args) {
  return 5.0 * static_cast<double>(element_count(args.shape("logits")));
}

const OpDef kOps[] = {
    {.name = "anemone.cross_entropy",
     .params = kForward,
     .infer = infer_forward,
     .eval = eval_forward,
     .grad = grad_forward,
     .flops = flops_forward,
     .decompose = decompose_forward},
    {.name = "anemone.cross_entropy_backward",
     .params = kBackward,
     .infer = infer_backward,
     .eval = eval_backward,
     .flops = flops_forward,
     .decompose = decompose_backward},
};

}  // namespace

std::span<const OpDef> composite_loss_ops() { return kOps; }

}  // namespace anemone
