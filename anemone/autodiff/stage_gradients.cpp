#include "anemone/autodiff/stage_gradients.h"

#include <algorithm>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/ir/extract.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

using ValueSet = std::unordered_set<Value>;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Made again where it is needed instead of being kept.
bool is_made_again(Value value) {
  const Operation* op = value->producer;
  if (!op || is_free(*op)) return op != nullptr;
  const Value source = is_cast(*op) ? OpArgs(*op).value("x") : nullptr;
  return source && !source->producer;  // an input, stored in fewer bits
}

ValueSet results_of(const Function& function) {
  ValueSet values;
  walk(function, [&](const Operation& op) { values.insert(op.outputs.begin(), op.outputs.end()); });
  return values;
}

// The stage and its gradients in one function, before it is cut up.
struct Joint {
  Function function;
  ValueSet forward_values;
  std::vector<Value> data_gradients, weight_gradients;
};

// A value of its own to be an output called `name`.
Value as_output(Builder& builder, Value value, const std::string& name, const ValueSet& reserved) {
  if (!value->producer || reserved.contains(value)) value = builder.unary("identity", value);
  builder.function().rename(value, name);
  return value;
}

Joint build_joint(const Function& stage, const std::vector<std::string>& data,
                  const std::vector<std::string>& weights,
                  const std::vector<std::string>& without_gradient) {
  Joint joint{stage.clone(), {}, {}, {}};
  joint.forward_values = results_of(joint.function);
  Function& function = joint.function;
  Builder builder(function);
  std::vector<std::pair<Value, Value>> seeds;
  for (Value output : function.outputs) {
    if (!is_float(output->type.dtype) || contains(without_gradient, output->name)) continue;
    seeds.emplace_back(output, function.add_input("d" + output->name, output->type));
  }
  std::vector<Value> wanted;
  for (const auto* names : {&data, &weights}) {
    for (const std::string& name : *names) {
      const Value input = function.find(name);
      ANEMONE_CHECK(input && !input->producer);
      wanted.push_back(input);
    }
  }
  const std::vector<Value> gradients = reverse_sweep(builder, seeds, wanted);
  ValueSet reserved = joint.forward_values;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::string& name = wanted[i]->name;
    if (!gradients[i]) {
      fail("stage '" + stage.name + "'", "its outputs do not depend on " + name + " by gradients",
           "integers, comparisons, rounding and quantize pass none");
    }
    Value gradient = gradients[i];
    if (i < data.size()) {
      gradient = as_output(builder, gradient, "d" + name, reserved);
      joint.data_gradients.push_back(gradient);
    } else {
      const Value sum = function.add_input("d" + name + "_sum", wanted[i]->type);
      gradient = as_output(builder, builder.add(sum, gradient), "d" + name, reserved);
      joint.weight_gradients.push_back(gradient);
    }
    reserved.insert(gradient);
  }
  return joint;
}

// Names of the inputs of `part` that are in `candidates`, appended to `names` once each.
void collect_taps(const Function& joint, const Function& part, const ValueSet& candidates,
                  std::vector<std::string>& names) {
  for (Value input : part.inputs) {
    if (candidates.contains(joint.find(input->name)) && !contains(names, input->name)) {
      names.push_back(input->name);
    }
  }
}

// Drops the names of `values`.
void erase_names(const std::vector<Value>& values, std::vector<std::string>& names) {
  std::erase_if(names, [&](const std::string& name) {
    return std::any_of(values.begin(), values.end(), [&](Value v) { return v->name == name; });
  });
}

// Makes what the other two functions read again outputs of forward.
void add_forward_taps(const Function& joint, const ValueSet& forward_values,
                      StageGradients& result) {
  Function& forward = result.forward;
  collect_taps(joint, result.backward, forward_values, result.forward_taps);
  collect_taps(joint, result.weight_gradient, forward_values, result.forward_taps);
  erase_names(forward.outputs, result.forward_taps);
  for (const std::string& name : result.forward_taps) forward.outputs.push_back(forward.find(name));
}

}  // namespace

StageGradients differentiate_stage(const Function& stage, const std::vector<std::string>& data,
                                   const std::vector<std::string>& weights,
                                   const std::vector<std::string>& without_gradient) {
  const Joint joint = build_joint(stage, data, weights, without_gradient);
  const Function& all = joint.function;
  const ValueSet& forward_values = joint.forward_values;
  const auto tapped = [&](Value v) { return forward_values.contains(v) && !is_made_again(v); };

  // What the weight gradients share with the way to the data gradients is computed there, once.
  const Function draft = extract(all, "backward", joint.data_gradients, tapped);
  ValueSet backward_values;
  walk(draft, [&](const Operation& op) {
    for (Value output : op.outputs) backward_values.insert(all.find(output->name));
  });
  const auto given = [&](Value v) {
    return tapped(v) || (backward_values.contains(v) && !is_made_again(v));
  };
  StageGradients result{
      stage.clone(),
      Function("", ""),
      extract(all, stage.name + "_weight_gradient", joint.weight_gradients, given),
      {},
      {}};
  result.forward.name = stage.name + "_forward";
  // A data gradient that a weight gradient reads is an output already.
  collect_taps(all, result.weight_gradient, backward_values, result.backward_taps);
  erase_names(joint.data_gradients, result.backward_taps);
  std::vector<Value> outputs = joint.data_gradients;
  for (const std::string& name : result.backward_taps) outputs.push_back(all.find(name));
  result.backward = extract(all, stage.name + "_backward", outputs, tapped);
  add_forward_taps(all, forward_values, result);
  return result;
}

}  // namespace anemone
