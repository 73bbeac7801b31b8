// anemone.cross_entropy: mean over the columns that count of -log softmax(logits)[target], and its
// backward.
//   logits [1, V, 1, S], targets int32 [S] → loss [1], log_sum_exp [S] (kept for the backward)
// anemone.target_shares: targets, dloss [1] → [1, 1, 1, S], the gradient of the mean with respect
// to the loss of every column: dloss / N for the N columns that count, 0 for the others.
#include <algorithm>
#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/targets.h"

namespace anemone {
namespace {

constexpr Param kForward[] = {param("logits", Accepts::kFloat),
                              param("targets", Accepts::kInteger)};
constexpr Param kBackward[] = {
    param("logits", Accepts::kFloat), param("targets", Accepts::kInteger),
    param("log_sum_exp", Accepts::kFloat), param("dloss", Accepts::kFloat)};
constexpr Param kShares[] = {param("targets", Accepts::kInteger), param("dloss", Accepts::kFloat)};

void check_shapes(const OpArgs& args) {
  const Shape& logits = args.shape("logits");
  args.require(
      logits.size() == 4 && logits[0] == 1 && logits[2] == 1 && logits[1] > 0 && logits[3] > 0,
      "{}.c1: logits are {}, not [1, V, 1, S]", args.op().type, to_string(logits));
  check_targets(args, logits[3]);
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

std::vector<Type> infer_shares(const OpArgs& args) {
  const Shape& targets = args.shape("targets");
  args.require(targets.size() == 1 && args.type("targets").dtype == DType::kInt32,
               "{}.c1: targets are {}, not int32 [S]", args.op().type,
               to_string(args.type("targets")));
  args.require(args.shape("dloss") == Shape({1}), "{}.c2: dloss is {}, not [1]", args.op().type,
               to_string(args.shape("dloss")));
  return {Type::tensor(args.type("dloss").dtype, {1, 1, 1, targets[0]})};
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
      const int64_t target = checked_target(args, s, vocab);
      if (target != kIgnoredTarget) loss += log_sum_exp - logits[target * columns + s];
    }
    args.out(0).as<T>()[0] = static_cast<T>(loss / static_cast<double>(counted_targets(args)));
  });
}

// dlogits = (softmax - onehot) * dloss / N, 0 in columns that do not count
void eval_backward(const EvalArgs& args) {
  const int64_t vocab = args.shape("logits")[1], columns = args.shape("logits")[3];
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto logits = args.in("logits").as<T>();
    const double share = args.in("dloss").as<T>()[0] / static_cast<double>(counted_targets(args));
    for (int64_t s = 0; s < columns; ++s) {
      const int64_t target = checked_target(args, s, vocab);
      const double scale = target == kIgnoredTarget ? 0 : share;
      const double log_sum_exp = args.in("log_sum_exp").as<T>()[s];
      for (int64_t v = 0; v < vocab; ++v) {
        const double p = std::exp(logits[v * columns + s] - log_sum_exp);
        args.out().as<T>()[v * columns + s] = static_cast<T>((p - (v == target)) * scale);
      }
    }
  });
}

void eval_shares(const EvalArgs& args) {
  const auto targets = args.in("targets").as<int32_t>();
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto each = static_cast<T>(1 / static_cast<double>(counted_targets(targets)));
    const T share = args.in("dloss").as<T>()[0] * each;
    std::transform(targets.begin(), targets.end(), args.out().as<T>().begin(),
                   [&](int32_t target) { return target == kIgnoredTarget ? T(0) : share; });
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

std::vector<Value> decompose_forward(Builder& b, const OpArgs& args) {
  const Value logits = args.value("logits");
  const int64_t columns = logits->type.shape[3];
  const Value maximum = b.reduce("reduce_max", logits, {1}, true);
  const Value sum = b.reduce_sum(b.unary("exp", b.sub(logits, maximum)), {1}, true);
  const Value log_sum_exp = b.add(maximum, b.unary("log", sum));
  const Value targets = args.value("targets");
  const Value hot = one_hot_targets(b, targets, logits->type);
  const Value picked = b.reduce_sum(b.mul(logits, hot), {1}, true);
  return {mean_over_targets(b, b.sub(log_sum_exp, picked), targets),
          b.reshape(log_sum_exp, {columns})};
}

std::vector<Value> decompose_backward(Builder& b, const OpArgs& args) {
  const Value logits = args.value("logits");
  const int64_t columns = logits->type.shape[3];
  const Value log_sum_exp = b.reshape(args.value("log_sum_exp"), {1, 1, 1, columns});
  const Value p = b.unary("exp", b.sub(logits, log_sum_exp));
  const Value targets = args.value("targets");
  return {b.mul(b.sub(p, one_hot_targets(b, targets, logits->type)),
                target_shares(b, targets, args.value("dloss")))};
}

std::vector<Value> decompose_shares(Builder& b, const OpArgs& args) {
  return {target_shares(b, args.value("targets"), args.value("dloss"))};
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
    {.name = "anemone.target_shares",
     .params = kShares,
     .infer = infer_shares,
     .eval = eval_shares,
     .decompose = decompose_shares},
};

}  // namespace

std::span<const OpDef> composite_loss_ops() { return kOps; }

}  // namespace anemone
