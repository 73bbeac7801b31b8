#include "anemone/ops/evaluate.h"

#include <cstring>
#include <unordered_map>

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

void run(const Operation& op, Frame& frame) {
  if (op.type == "const") {
    const Literal& literal = *op.attribute("val");
    const TensorView view = Frame::literal_view(op, literal);
    Tensor copy;
    if (view.data) {
      copy = Tensor(view.dtype, view.shape);
      std::memcpy(copy.data(), view.data, view.bytes());
    }
    return frame.set(op.outputs[0], std::move(copy));
  }
  std::vector<TensorView> inputs, outputs;
  for (const Argument& argument : op.arguments) {
    for (const Operand& operand : argument.operands) inputs.push_back(frame.view(op, operand));
  }
  std::vector<Tensor> results;
  for (Value output : op.outputs) results.emplace_back(output->type.dtype, output->type.shape);
  for (const Tensor& result : results) outputs.push_back(result);
  evaluate_op(op, inputs, outputs);
  for (size_t i = 0; i < results.size(); ++i) frame.set(op.outputs[i], std::move(results[i]));
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

NamedTensors evaluate(const Function& function, const NamedTensors& inputs) {
  Frame frame;
  for (Value input : function.inputs) {
    const auto given = inputs.find(input->name);
    if (given == inputs.end()) fail("input '" + input->name + "'", "it is not given");
    const Type type = Type::tensor(given->second.dtype(), given->second.shape());
    if (type != input->type) {
      fail("input '" + input->name + "'",
           "it is " + to_string(type) + ", the function takes " + to_string(input->type));
    }
    frame.set(input, given->second.clone());
  }
  for (const auto& op : function.operations) run(*op, frame);
  NamedTensors outputs;
  for (Value output : function.outputs) outputs[output->name] = frame.get(output).clone();
  return outputs;
}

}  // namespace anemone
