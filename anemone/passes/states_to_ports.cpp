#include "anemone/passes/states_to_ports.h"

#include "anemone/ir/walk.h"
#include "anemone/ops/builder.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

bool is_state(Value value) { return value->type.kind == Type::Kind::kState; }

void refuse_nested_states(const Operation& op) {
  for (const auto& block : op.blocks) {
    walk(*block, [](const Operation& nested) {
      if (!has_trait(nested, Trait::kState)) return;
      fail(nested.where(), nested.type + " stands in a nested block",
           "read states before cond and while_loop, write them behind");
    });
  }
}

}  // namespace

std::vector<StatePorts> states_to_ports(Function& function) {
  std::unordered_map<Value, Value> content;  // of each state
  for (Value input : function.inputs) {
    if (!is_state(input)) continue;
    input->type = Type(input->type.parts.at(0));
    content[input] = input;
  }
  std::vector<StatePorts> states;
  if (content.empty()) return states;
  std::vector<std::unique_ptr<Operation>> kept;
  for (auto& op : function.operations) {
    refuse_nested_states(*op);
    const OpArgs args(*op);
    const bool uses_state = has_trait(*op, Trait::kState);
    if (uses_state && !args.has("data")) {
      op->type = "identity";  // a copy: the state may change behind it
      const Value now = content.at(args.value("input"));
      op->arguments.clear();
      op->arguments.emplace_back("x", now);
    } else if (uses_state) {
      const Operand& data = args.operand("data");
      if (!data.value) fail(op->where(), "a literal is written to a state", "make it a const");
      content.at(args.value("input")) = data.value;
      continue;
    }
    kept.push_back(std::move(op));
  }
  function.operations = std::move(kept);
  Builder builder(function);
  for (Value input : std::vector<Value>(function.inputs)) {
    const auto last = content.find(input);
    if (last == content.end()) continue;
    states.push_back({input->name, ""});
    if (last->second == input) continue;
    states.back().output = function.fresh_name(input->name + "_out");
    builder.output(states.back().output, builder.unary("identity", last->second));
  }
  return states;
}

}  // namespace anemone
