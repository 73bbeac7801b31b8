#include "anemone/passes/rewrite.h"

#include <algorithm>

namespace anemone {
namespace {

// Moves the name of `original` to its replacement, unless that is an input or known under a name
// which something else relies on.
void adopt_name(Function& function, Value replacement, const std::string& name) {
  if (!replacement->producer || function.find(name)) return;
  function.rename(replacement, name);
}

// Gives an output its name; whatever else came to be called so gets another one.
void claim_name(Function& function, Value output, const std::string& name) {
  const Value other = function.find(name);
  if (other == output) return;
  if (other) function.rename(other, function.fresh_name(name));
  function.rename(output, name);
}

}  // namespace

bool rewrite(Function& function, const Rewriter& rewriter) {
  Function result(function.name, function.opset);
  result.attributes = function.attributes;
  Builder builder(result);
  std::unordered_map<Value, Value> values;
  bool changed = false;
  for (Value input : function.inputs) values[input] = result.add_input(input->name, input->type);
  for (const auto& op : function.operations) {
    auto twin = copy_operation(*op, result, values);
    if (const auto replacement = rewriter(builder, *twin)) {
      changed = true;
      ANEMONE_CHECK(replacement->size() == op->outputs.size());
      for (size_t i = 0; i < replacement->size(); ++i) {
        adopt_name(result, (*replacement)[i], op->outputs[i]->name);
        values[op->outputs[i]] = (*replacement)[i];
      }
      continue;
    }
    for (Value& output : twin->outputs) {
      Value copy = result.add_variable(result.fresh_name(output->name), output->type, twin.get());
      copy->location = output->location;
      values[output] = copy;
      output = copy;
    }
    result.operations.push_back(std::move(twin));
  }
  for (Value output : function.outputs) {
    Value replacement = values.at(output);
    const bool returned = std::find(result.outputs.begin(), result.outputs.end(), replacement) !=
                          result.outputs.end();
    if (!replacement->producer || returned) replacement = builder.unary("identity", replacement);
    claim_name(result, replacement, output->name);
    result.outputs.push_back(replacement);
  }
  if (!changed) return false;
  function = std::move(result);
  function.remove_unused();
  return true;
}

bool rewrite(Function& function, std::span<const RewriteRule> rules) {
  return rewrite(function, [&](Builder& builder, const Operation& op) -> Replacement {
    for (const RewriteRule& rule : rules) {
      if (op.type == rule.type) return rule.replace(builder, OpArgs(op));
    }
    return std::nullopt;
  });
}

bool rewrite(Function& function, std::initializer_list<RewriteRule> rules) {
  return rewrite(function, std::span(rules.begin(), rules.size()));
}

}  // namespace anemone
