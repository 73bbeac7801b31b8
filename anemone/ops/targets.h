// The targets of a loss, int32 [S]: the class of every column, or that a column does not count.
//
// A loss is the mean over the columns that count. Where none does it is 0, as are its gradients.
#pragma once

#include <algorithm>

#include "anemone/ops/builder.h"
#include "anemone/ops/op_def.h"

namespace anemone {

// The target of a column that adds nothing to a loss and nothing to a gradient: padding.
constexpr int32_t kIgnoredTarget = -1;

inline bool any_ignored(std::span<const int32_t> targets) {
  return std::find(targets.begin(), targets.end(), kIgnoredTarget) != targets.end();
}

// Zeros in the columns of a row that do not count.
inline void clear_ignored(std::span<const int32_t> targets, float* row) {
  for (size_t s = 0; s < targets.size(); ++s) {
    if (targets[s] == kIgnoredTarget) row[s] = 0;
  }
}

// How many columns count, but 1 where none does: what a sum over them is divided by.
inline int64_t counted_targets(std::span<const int32_t> targets) {
  const auto ignored = std::count(targets.begin(), targets.end(), kIgnoredTarget);
  return std::max<int64_t>(1, std::ssize(targets) - ignored);
}

// Quoting rule c2: parameter "targets" is int32 [columns].
void check_targets(const OpArgs& args, int64_t columns);

// For reference kernels. The target of a column, which may be kIgnoredTarget; refuses what is
// neither that nor inside the vocabulary, quoting rule c4.
int64_t checked_target(const EvalArgs& args, int64_t column, int64_t vocab);
inline int64_t counted_targets(const EvalArgs& args) {
  return counted_targets(args.in("targets").as<int32_t>());
}

// For decompositions. 1 where v is the target of column s, as [1, V, 1, S] like `scores`.
Value one_hot_targets(Builder& b, Value targets, const Type& scores);
// The mean of `losses` [1, 1, 1, S] over the columns that count, as [1].
Value mean_over_targets(Builder& b, Value losses, Value targets);
// What anemone.target_shares gives, [1, 1, 1, S].
Value target_shares(Builder& b, Value targets, Value dloss);

}  // namespace anemone
