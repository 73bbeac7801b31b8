#include "anemone/passes/link_chain.h"

#include <algorithm>
#include <set>
#include <utility>

#include "anemone/base/error.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/builder.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

// "model.layers.0.mlp" as a name in MIL.
std::string identifier(std::string text) {
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}

// The same memory in another shape.
Literal reshaped(const std::shared_ptr<const Tensor>& tensor, const Type& type) {
  ANEMONE_CHECK(tensor->dtype() == type.dtype && tensor->size() == element_count(type.shape));
  Literal literal;
  literal.type = type;
  if (tensor->shape() == type.shape) {
    literal.tensor = tensor;
  } else {
    const std::shared_ptr<const std::byte> memory(tensor,
                                                  static_cast<const std::byte*>(tensor->data()));
    literal.tensor = std::make_shared<const Tensor>(type.dtype, type.shape, memory);
  }
  return literal;
}

class Linker {
 public:
  Linker(std::string name, const std::string& opset, const ParameterTensors& parameters,
         const PortNames& port_name)
      : result_(std::move(name), opset),
        builder_(result_),
        parameters_(parameters),
        port_name_(port_name) {}

  void append(const Stage& stage, const StageUse& use) {
    std::unordered_map<Value, Value> values;
    for (Value input : stage.function.inputs) values[input] = bound(stage, use, input);
    for_each_operation(stage.function, [&](const Operation& op) { copy(op, stage, use, values); });
    for (Value output : stage.function.outputs) {
      const Value value = values.at(output);
      if (output->name == stage.data_output) {
        data_ = value;
      } else {
        put(port_name_(use, output->name), value);
      }
    }
  }

  Function finish(const std::string& data_output) {
    give_out(data_output, data_);
    for (const auto& [name, value] : put_) {
      if (!taken_.contains(name)) give_out(name, value);
    }
    return std::move(result_);
  }

 private:
  Value bound(const Stage& stage, const StageUse& use, Value input) {
    if (input->name == stage.data_input) return data_;
    const auto weight = std::find(stage.weights.begin(), stage.weights.end(), input->name);
    if (weight == stage.weights.end()) return port(port_name_(use, input->name), input->type);
    const auto index = static_cast<size_t>(weight - stage.weights.begin());
    return parameter(use.parameters.at(index), input->type);
  }

  Value port(const std::string& name, const Type& type) {
    for (const auto& [put_name, value] : put_) {
      if (put_name != name) continue;
      taken_.insert(name);
      return value;
    }
    Value& input = inputs_[name];
    if (!input) input = result_.add_input(name, type);
    ANEMONE_CHECK(input->type == type);
    return input;
  }

  Value parameter(const std::string& name, const Type& type) {
    Value& known = weights_[{name, type.shape}];
    if (!known) known = constant(identifier(name), reshaped(parameters_.at(name), type));
    return known;
  }

  // Not by the builder, which would look for one with the same numbers.
  Value constant(const std::string& name, Literal literal) {
    auto op = std::make_unique<Operation>();
    op->type = "const";
    op->outputs = {result_.add_variable(result_.fresh_name(name), literal.type, op.get())};
    op->attributes.push_back({"val", std::move(literal)});
    result_.operations.push_back(std::move(op));
    return result_.operations.back()->outputs[0];
  }

  void copy(const Operation& op, const Stage& stage, const StageUse& use,
            std::unordered_map<Value, Value>& values) {
    const bool constant = is_const(op);
    if (constant && constants_.contains(op.outputs[0])) {
      values[op.outputs[0]] = constants_.at(op.outputs[0]);
      return;
    }
    Operation& twin = append_copy(op, result_, values);
    std::erase_if(twin.attributes, [](const Attribute& a) { return a.name == "name"; });
    const std::string prefix = identifier(constant ? stage.function.name : use.label) + "_";
    for (size_t i = 0; i < twin.outputs.size(); ++i) {
      result_.rename(twin.outputs[i], result_.fresh_name(prefix + op.outputs[i]->name));
    }
    if (constant) constants_[op.outputs[0]] = twin.outputs[0];
  }

  void put(std::string name, Value value) { put_.emplace_back(std::move(name), value); }

  // An output of that name; whatever was called so gets another one.
  void give_out(const std::string& name, Value value) {
    const bool twice =
        std::find(result_.outputs.begin(), result_.outputs.end(), value) != result_.outputs.end();
    if (!value->producer || twice) value = builder_.unary("identity", value);
    const Value other = result_.find(name);
    if (other && other != value) {
      ANEMONE_CHECK(other->producer);
      result_.rename(other, result_.fresh_name(name + "_inside"));
    }
    builder_.output(name, value);
  }

  Function result_;
  Builder builder_;
  const ParameterTensors& parameters_;
  const PortNames& port_name_;
  Value data_ = nullptr;
  std::map<std::string, Value> inputs_;
  std::map<std::pair<std::string, Shape>, Value> weights_;
  std::unordered_map<Value, Value> constants_;      // of stages
  std::vector<std::pair<std::string, Value>> put_;  // in order
  std::set<std::string> taken_;
};

}  // namespace

Function link_chain(const StageChain& chain, std::string name, const ParameterTensors& parameters,
                    const PortNames& port_name) {
  ANEMONE_CHECK(!chain.uses.empty());
  const std::string& opset = chain.stages.at(chain.uses[0].stage).function.opset;
  Linker linker(std::move(name), opset, parameters, port_name);
  for (const StageUse& use : chain.uses) linker.append(chain.stages.at(use.stage), use);
  return linker.finish(chain.stages.at(chain.uses.back().stage).data_output);
}

}  // namespace anemone
