#include "anemone/ir/extract.h"

#include "anemone/ir/walk.h"

namespace anemone {

Function extract(const Function& source, std::string name, const std::vector<Value>& outputs,
                 const std::function<bool(Value)>& given) {
  std::unordered_set<Value> needed(outputs.begin(), outputs.end());
  std::unordered_set<const Operation*> kept;
  for (auto op = source.operations.rbegin(); op != source.operations.rend(); ++op) {
    bool used = false;
    for (Value output : (*op)->outputs) used = used || (needed.contains(output) && !given(output));
    if (!used) continue;
    kept.insert(op->get());
    for_each_used_value(**op, [&](Value value) { needed.insert(value); });
  }

  Function part(std::move(name), source.opset);
  std::unordered_map<Value, Value> values;
  for (Value input : source.inputs) {
    if (needed.contains(input)) values[input] = part.add_input(input->name, input->type);
  }
  for (const auto& op : source.operations) {
    for (Value output : op->outputs) {
      if (needed.contains(output) && given(output)) {
        values[output] = part.add_input(output->name, output->type);
      }
    }
  }
  for (const auto& op : source.operations) {
    if (!kept.contains(op.get())) continue;
    auto twin = copy_operation(*op, part, values);
    for (Value& output : twin->outputs) {
      // An output that is given as an input keeps its name there.
      const bool doubled = given(output) && needed.contains(output);
      const std::string name =
          doubled ? part.fresh_name(source.fresh_name(output->name)) : output->name;
      Value fresh = part.add_variable(name, output->type, twin.get());
      if (!doubled) values[output] = fresh;
      output = fresh;
    }
    part.operations.push_back(std::move(twin));
  }
  for (Value output : outputs) part.outputs.push_back(values.at(output));
  return part;
}

}  // namespace anemone
