#include <unordered_set>

#include "anemone/ir/program.h"

namespace anemone {
namespace {

class StructureCheck {
 public:
  explicit StructureCheck(const Function& function) : function_(function) {}

  std::vector<Diagnostic> run() {
    for (Value input : function_.inputs) define(input, "input '" + input->name + "'");
    for (const auto& op : function_.operations) {
      for (const Argument& argument : op->arguments) check_uses(*op, argument);
      for (Value output : op->outputs) define(output, op->where());
    }
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

  void check_uses(const Operation& op, const Argument& argument) {
    for (const Operand& operand : argument.operands) {
      if (operand.value && !defined_.contains(operand.value)) {
        report(op.where(), "'" + operand.value->name + "' is used before it is defined");
      }
    }
  }

  void define(Value value, const std::string& where) {
    defined_.insert(value);
    if (!names_.insert(value->name).second) {
      report(where, "'" + value->name + "' is defined twice", "every name is assigned once");
    }
  }

  void report(std::string where, std::string message, std::string hint = "") {
    diagnostics_.push_back({std::move(where), std::move(message), std::move(hint)});
  }

  const Function& function_;
  std::unordered_set<const Variable*> defined_;
  std::unordered_set<std::string> names_;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace

std::vector<Diagnostic> verify_structure(const Function& function) {
  return StructureCheck(function).run();
}

}  // namespace anemone
