#include "anemone/ops/evaluate.h"

#include <cstring>
#include <unordered_map>

#include "anemone/ir/walk.h"
#include "anemone/ops/registry.h"

namespace anemone {
namespace {

bool is_narrow(DType dtype) { return dtype == DType::kFp16 || dtype == DType::kBf16; }

// Tensors as fp32 where they are narrower; `owned` keeps the wide copies alive.
std::vector<TensorView> widen(std::span<const TensorView> views, std::vector<Tensor>& owned) {
  std::vector<TensorView> result(views.begin(), views.end());
  for (TensorView& view : result) {
    if (!is_narrow(view.dtype)) continue;
    owned.emplace_back(DType::kFp32, view.shape);
    view = owned.back();
  }
  return result;
}

// The scratch of evaluate(): every value's tensor while it is alive.
class Frame {
 public:
  void set(Value value, Tensor tensor) { tensors_[value] = std::move(tensor); }
  const Tensor& get(Value value) const { return tensors_.at(value); }

  TensorView view(const Operation& op, const Operand& operand) const {
    if (operand.value) return get(operand.value);
    return literal_view(op, *operand.literal);
  }

  static TensorView literal_view(const Operation& op, const Literal& literal) {
    if (literal.tensor) return *literal.tensor;
    OpArgs(op).require(!literal.blob, "the weights of '{}' are not loaded", op.outputs[0]->name);
    return {literal.type.dtype, literal.type.shape, nullptr};  // a string
  }

 private:
  std::unordered_map<Value, Tensor> tensors_;
};

void run(const Operation& op, Frame& frame);

void run_block(const Block& block, Frame& frame) {
  for_each_operation(block, [&](const Operation& op) { run(op, frame); });
}

void run_const(const Operation& op, Frame& frame) {
  const TensorView view = Frame::literal_view(op, *op.attribute("val"));
  Tensor copy;
  if (view.data) {
    copy = Tensor(view.dtype, view.shape);
    std::memcpy(copy.data(), view.data, view.bytes());  // packed types too
  }
  frame.set(op.outputs[0], std::move(copy));
}

void copy_values(const std::vector<Value>& from, const std::vector<Value>& to, Frame& frame) {
  std::vector<Tensor> values;  // all of them before any is written over
  for (Value value : from) values.push_back(frame.get(value).clone());
  for (size_t i = 0; i < to.size(); ++i) frame.set(to[i], std::move(values[i]));
}

bool is_true(Value value, const Frame& frame) { return frame.get(value).as<bool>()[0]; }

void run_while(const Operation& op, Frame& frame) {
  const Block &condition = *op.blocks[0], &body = *op.blocks[1];
  std::vector<Tensor> values;
  for_each_operand(op, [&](const Operand& operand) {
    values.emplace_back(operand.type().dtype, operand.type().shape);
    convert(frame.view(op, operand), values.back());
  });
  for (size_t i = 0; i < values.size(); ++i) {
    frame.set(condition.inputs[i], std::move(values[i]));
  }
  while (true) {
    run_block(condition, frame);
    if (!is_true(condition.outputs[0], frame)) break;
    copy_values(condition.inputs, body.inputs, frame);
    run_block(body, frame);
    copy_values(body.outputs, condition.inputs, frame);
  }
  copy_values(condition.inputs, op.outputs, frame);
}

// What has no kernel of its own. Returns whether `op` was that.
bool run_control(const Operation& op, Frame& frame) {
  const OpArgs args(op);
  if (op.type == "const") {
    run_const(op, frame);
  } else if (op.type == "cond") {
    const bool yes = frame.view(op, args.operand("pred")).as<bool>()[0];
    const Block& branch = *op.blocks[yes ? 0 : 1];
    run_block(branch, frame);
    copy_values(branch.outputs, op.outputs, frame);
  } else if (op.type == "while_loop") {
    run_while(op, frame);
  } else if (op.type == "read_state") {
    copy_values({args.value("input")}, op.outputs, frame);
  } else if (op.type == "write_state") {
    const TensorView data = frame.view(op, args.operand("data"));
    Tensor copy(data.dtype, data.shape);
    convert(data, copy);
    frame.set(args.value("input"), std::move(copy));
  } else {
    return false;
  }
  return true;
}

void run(const Operation& op, Frame& frame) {
  if (run_control(op, frame)) return;
  std::vector<TensorView> inputs, outputs;
  for_each_operand(op, [&](const Operand& operand) { inputs.push_back(frame.view(op, operand)); });
  std::vector<Tensor> results;
  for (Value output : op.outputs) results.emplace_back(output->type.dtype, output->type.shape);
  for (const Tensor& result : results) outputs.push_back(result);
  evaluate_op(op, inputs, outputs);
  for (size_t i = 0; i < results.size(); ++i) frame.set(op.outputs[i], std::move(results[i]));
}

// The state's content before the run: what `states` has, or zeros.
Tensor initial_state(Value state, const NamedTensors* states) {
  const Type& type = state->type.parts.at(0);
  if (states && states->contains(state->name)) return states->at(state->name).clone();
  return Tensor(type.dtype, type.shape);
}

}  // namespace

void evaluate_op(const Operation& op, std::span<const TensorView> inputs,
                 std::span<const TensorView> outputs) {
  const OpDef& def = get_op(op);
  if (!def.eval) {
    OpArgs(op).refuse(fmt::format("{} is not run: its results are no tensors", op.type),
                      "read the values that go into it");
  }
  std::vector<Tensor> owned;
  owned.reserve(inputs.size() + outputs.size());
  const std::vector<TensorView> wide_inputs = widen(inputs, owned);
  const std::vector<TensorView> wide_outputs = widen(outputs, owned);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (is_narrow(inputs[i].dtype)) convert(inputs[i], wide_inputs[i]);
  }
  def.eval(EvalArgs(op, wide_inputs, wide_outputs));
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (is_narrow(outputs[i].dtype)) convert(wide_outputs[i], outputs[i]);
  }
}

NamedTensors evaluate(const Function& function, const NamedTensors& inputs, NamedTensors* states) {
  Frame frame;
  for (Value input : function.inputs) {
    if (input->type.kind == Type::Kind::kState) {
      frame.set(input, initial_state(input, states));
      continue;
    }
    const auto given = inputs.find(input->name);
    if (given == inputs.end()) fail("input '" + input->name + "'", "it is not given");
    const Type type = Type::tensor(given->second.dtype(), given->second.shape());
    if (type != input->type) {
      fail("input '" + input->name + "'",
           "it is " + to_string(type) + ", the function takes " + to_string(input->type));
    }
    frame.set(input, given->second.clone());
  }
  run_block(function, frame);
  for (Value input : function.inputs) {
    if (states && input->type.kind == Type::Kind::kState) {
      (*states)[input->name] = frame.get(input).clone();
    }
  }
  NamedTensors outputs;
  for (Value output : function.outputs) outputs[output->name] = frame.get(output).clone();
  return outputs;
}

}  // namespace anemone
