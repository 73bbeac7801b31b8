#include "anemone/passes/freeze.h"

#include <algorithm>
#include <map>
#include <set>

#include "anemone/ops/builder.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

using Frozen = std::vector<std::string>;

Frozen frozen_of(const Stage& stage, const StageUse& use,
                 const std::function<bool(const std::string&)>& trains) {
  Frozen frozen;
  for (size_t i = 0; i < stage.weights.size(); ++i) {
    if (!trains(use.parameters[i])) frozen.push_back(stage.weights[i]);
  }
  return frozen;
}

Stage copy_of(const Stage& stage) {
  return {stage.function.clone(), stage.data_input, stage.data_output, stage.weights, stage.frozen};
}

bool is_stored(Value value, const Frozen& names) {
  return value && !value->producer && value->type.dtype == DType::kBf16 &&
         std::find(names.begin(), names.end(), value->name) != names.end();
}

// Operations that read a frozen weight, with it widened.
class Widener {
 public:
  explicit Widener(const Frozen& names) : names_(names) {}

  Replacement replace(Builder& b, const Operation& op) {
    std::vector<Argument> arguments = op.arguments;
    bool reads = false;
    for (Argument& argument : arguments) {
      for (Operand& operand : argument.operands) reads |= is_stored(operand.value, names_);
    }
    if (!reads) return std::nullopt;
    if (op.type == "gather") return std::vector{b.cast(b.op(op.type, arguments), DType::kFp32)};
    for (Argument& argument : arguments) {
      for (Operand& operand : argument.operands) {
        if (is_stored(operand.value, names_)) operand = widened(b, operand.value);
      }
    }
    return b.ops(op.type, std::move(arguments));
  }

 private:
  Value widened(Builder& b, Value weight) {
    Value& wide = wide_[weight];
    if (!wide) wide = b.cast(weight, DType::kFp32);
    return wide;
  }

  const Frozen& names_;
  std::map<Value, Value> wide_;
};

}  // namespace

void freeze(StageChain& chain, const std::function<bool(const std::string& parameter)>& trains) {
  std::map<std::pair<size_t, Frozen>, size_t> stages;
  std::set<size_t> taken;
  for (StageUse& use : chain.uses) {
    Frozen frozen = frozen_of(chain.stages[use.stage], use, trains);
    const auto [known, fresh] = stages.try_emplace({use.stage, frozen}, use.stage);
    if (fresh && !taken.insert(use.stage).second) {
      known->second = chain.stages.size();
      chain.stages.push_back(copy_of(chain.stages[use.stage]));
    }
    use.stage = known->second;
    chain.stages[use.stage].frozen = std::move(frozen);
  }
}

void store_frozen_in_bf16(StageChain& chain) {
  for (Stage& stage : chain.stages) {
    for (const std::string& name : stage.frozen) {
      const Value weight = stage.function.find(name);
      if (weight->type.shape.size() >= 2) weight->type.dtype = DType::kBf16;
    }
    Widener widener(stage.frozen);
    rewrite(stage.function,
            [&](Builder& b, const Operation& op) { return widener.replace(b, op); });
  }
}

}  // namespace anemone
