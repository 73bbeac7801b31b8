#include "anemone/ops/targets.h"

#include <vector>

namespace anemone {
namespace {

// 1 for columns that count, 0 for others, as [1, 1, 1, S].
Value counting(Builder& b, Value targets, DType dtype) {
  const Value counts = b.binary("not_equal", targets, b.integer(kIgnoredTarget));
  return b.cast(b.reshape(counts, {1, 1, 1, targets->type.shape[0]}), dtype);
}

// Their number as [1, 1, 1, 1], but 1 where none counts.
Value number_counting(Builder& b, Value counts) {
  return b.binary("maximum", b.reduce_sum(counts, {3}, true), b.scalar(counts->type.dtype, 1));
}

}  // namespace

void check_targets(const OpArgs& args, int64_t columns) {
  args.require(args.type("targets") == Type::tensor(DType::kInt32, {columns}),
               "{}.c2: targets are {}, not {}", args.op().type, to_string(args.type("targets")),
               to_string(Type::tensor(DType::kInt32, {columns})));
}

int64_t checked_target(const EvalArgs& args, int64_t column, int64_t vocab) {
  const int32_t target = args.in("targets").as<int32_t>()[static_cast<size_t>(column)];
  args.require(target == kIgnoredTarget || (target >= 0 && target < vocab),
               "{}.c4: target {} at column {} is outside [0, {})", args.op().type, target, column,
               vocab);
  return target;
}

Value one_hot_targets(Builder& b, Value targets, const Type& scores) {
  const int64_t vocab = scores.shape[1], columns = scores.shape[3];
  std::vector<int32_t> ids(static_cast<size_t>(vocab));
  for (size_t v = 0; v < ids.size(); ++v) ids[v] = static_cast<int32_t>(v);
  const Value vocabulary = b.constant(Tensor::of<int32_t>({1, vocab, 1, 1}, ids), "vocabulary");
  const Value row = b.reshape(targets, {1, 1, 1, columns});
  return b.cast(b.binary("equal", vocabulary, row), scores.dtype);
}

Value mean_over_targets(Builder& b, Value losses, Value targets) {
  const Value counts = counting(b, targets, losses->type.dtype);
  const Value total = b.reduce_sum(b.mul(losses, counts), {0, 1, 2, 3}, true);
  return b.reshape(b.real_div(total, number_counting(b, counts)), {1});
}

Value target_shares(Builder& b, Value targets, Value dloss) {
  const Value counts = counting(b, targets, dloss->type.dtype);
  const Value share = b.real_div(b.reshape(dloss, {1, 1, 1, 1}), number_counting(b, counts));
  return b.mul(counts, share);
}

}  // namespace anemone
