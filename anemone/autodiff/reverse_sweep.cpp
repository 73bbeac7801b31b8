#include "anemone/autodiff/reverse_sweep.h"

#include <unordered_map>
#include <unordered_set>

#include "anemone/ir/walk.h"
#include "anemone/ops/registry.h"

namespace anemone {
namespace {

class Sweep {
 public:
  Sweep(Builder& builder, const std::vector<Value>& wanted)
      : builder_(builder), active_(wanted.begin(), wanted.end()) {
    // Active: what depends on a wanted value through floats.
    for_each_operation(builder.function(), [&](Operation& op) {
      forward_.push_back(&op);
      if (!has_active_operand(op)) return;
      for (Value output : op.outputs) {
        if (is_float(output->type.dtype)) active_.insert(output);
      }
    });
  }

  void add(Value value, Value gradient) {
    if (!active_.contains(value)) return;
    Value& sum = gradients_[value];
    sum = sum ? builder_.add(sum, gradient) : gradient;
  }

  void run() {
    for (auto op = forward_.rbegin(); op != forward_.rend(); ++op) visit(**op);
  }

  Value gradient(Value value) const {
    const auto found = gradients_.find(value);
    return found == gradients_.end() ? nullptr : found->second;
  }

 private:
  bool has_active_operand(const Operation& op) const {
    for (const Argument& argument : op.arguments) {
      for (const Operand& operand : argument.operands) {
        if (active_.contains(operand.value)) return true;
      }
    }
    return false;
  }

  void visit(const Operation& op) {
    std::vector<Value> output_gradients;
    bool any = false;
    for (Value output : op.outputs) {
      output_gradients.push_back(gradient(output));
      any = any || output_gradients.back();
    }
    if (!any || !has_active_operand(op)) return;
    const OpDef& def = get_op(op);
    if (!def.grad) {
      OpArgs(op).refuse(
          fmt::format("{} has no gradient, and '{}' needs one", op.type, op.outputs[0]->name));
    }
    GradArgs args(op, builder_, output_gradients, active_);
    for (const auto& [value, contribution] : def.grad(args)) add(value, contribution);
  }

  Builder& builder_;
  std::unordered_set<Value> active_;
  std::vector<const Operation*> forward_;
  std::unordered_map<Value, Value> gradients_;
};

}  // namespace

std::vector<Value> reverse_sweep(Builder& builder,
                                 const std::vector<std::pair<Value, Value>>& seeds,
                                 const std::vector<Value>& wanted) {
  Sweep sweep(builder, wanted);
  for (const auto& [output, seed] : seeds) {
    ANEMONE_CHECK(output->type == seed->type);
    sweep.add(output, seed);
  }
  sweep.run();
  std::vector<Value> gradients;
  for (Value value : wanted) gradients.push_back(sweep.gradient(value));
  return gradients;
}

}  // namespace anemone
