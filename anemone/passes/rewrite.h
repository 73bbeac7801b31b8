// Rebuilds a function operation by operation: the way in which passes replace operations.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "anemone/ir/walk.h"
#include "anemone/ops/builder.h"
#include "anemone/ops/op_args.h"

namespace anemone {

// What to put in the place of `op`, whose operands are already values of the new function that
// `builder` emits into. Nothing stands for a plain copy.
using Replacement = std::optional<std::vector<Value>>;
using Rewriter = std::function<Replacement(Builder& builder, const Operation& op)>;

// Replaces `function`; results keep the names of what they replace. Returns whether anything was
// replaced. Operations that have become unused are removed.
bool rewrite(Function& function, const Rewriter& rewriter);

// A rule for the operations of one type.
struct RewriteRule {
  std::string_view type;
  std::function<Replacement(Builder& builder, const OpArgs& args)> replace;
};

// The same with the rule, if any, of each operation's type.
bool rewrite(Function& function, std::span<const RewriteRule> rules);
bool rewrite(Function& function, std::initializer_list<RewriteRule> rules);

}  // namespace anemone
