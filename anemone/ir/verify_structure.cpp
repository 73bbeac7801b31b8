#include <unordered_set>

#include "anemone/ir/walk.h"

namespace anemone {
namespace {

class StructureCheck {
 public:
  explicit StructureCheck(const Function& function) : function_(function) {}

  std::vector<Diagnostic> run() {
    for (Value input : function_.inputs) define(input, "input '" + input->name + "'");
    for (const auto& op : function_.operations) check(*op);
    if (function_.outputs.empty()) {
      report("function '" + function_.name + "'", "it returns nothing", "name a value after '->'");
    }
    check_outputs();
    return std::move(diagnostics_);
  }

 private:
  // An output has a buffer of its own, so it is neither an input nor another output.
  void check_outputs() {
    const std::string where = "function '" + function_.name + "'";
    const std::unordered_set<const Variable*> inputs(function_.inputs.begin(),
                                                     function_.inputs.end());
    std::unordered_set<const Variable*> returned;
    for (Value output : function_.outputs) {
      const std::string name = "'" + output->name + "'";
      if (!defined_.contains(output)) {
        report(where, "it returns " + name + ", which is not defined in it");
      } else if (!returned.insert(output).second) {
        report(where, "it returns " + name + " twice",
               "return identity(" + output->name + ") the second time");
      } else if (inputs.contains(output)) {
        report(where, "it returns its input " + name + "; return identity(" + output->name + ")",
               "inputs and outputs have buffers of their own");
      }
    }
  }

  void check(const Operation& op) {
    for_each_operand(op, [&](const Operand& operand) { check_use(op, operand.value); });
    for (const auto& block : op.blocks) check(op, *block);
    for (Value output : op.outputs) define(output, op.where());
  }

  // What a nested block defines is seen in it alone.
  void check(const Operation& op, const Block& block) {
    const size_t seen_outside = order_.size();
    for (Value input : block.inputs) define(input, op.where());
    for (const auto& nested : block.operations) check(*nested);
    for (Value output : block.outputs) check_use(op, output);
    for (; order_.size() > seen_outside; order_.pop_back()) defined_.erase(order_.back());
  }

  void check_use(const Operation& op, Value value) {
    if (value && !defined_.contains(value)) {
      report(op.where(), "'" + value->name + "' is used before it is defined");
    }
  }

  void define(Value value, const std::string& where) {
    defined_.insert(value);
    order_.push_back(value);
    if (!names_.insert(value->name).second) {
      report(where, "'" + value->name + "' is defined twice", "every name is assigned once");
    }
  }

  void report(std::string where, std::string message, std::string hint = "") {
    diagnostics_.push_back({std::move(where), std::move(message), std::move(hint)});
  }

  const Function& function_;
  std::unordered_set<const Variable*> defined_;  // where the check stands
  std::vector<const Variable*> order_;           // in which they were
  std::unordered_set<std::string> names_;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace

std::vector<Diagnostic> verify_structure(const Function& function) {
  return StructureCheck(function).run();
}

}  // namespace anemone
