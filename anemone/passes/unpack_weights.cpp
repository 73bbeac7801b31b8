#include "anemone/ops/evaluate.h"
#include "anemone/ops/query.h"
#include "anemone/passes/passes.h"

namespace anemone {
namespace {

// The results of a constexpr_… operation, whose operands are constants by now.
std::vector<Tensor> unpacked(const Operation& op) {
  std::vector<Tensor> results;
  std::vector<TensorView> in, out;
  for (Value output : op.outputs) results.emplace_back(output->type.dtype, output->type.shape);
  for (const Tensor& result : results) out.push_back(result);
  for (const Argument& argument : op.arguments) {
    const bool is_text = argument.operands[0].type().dtype == DType::kString;
    in.push_back(is_text ? TensorView{DType::kString, {}, nullptr}
                         : TensorView(*OpArgs(op).constant(argument.name)));
  }
  evaluate_op(op, in, out);
  return results;
}

void become_constant(Operation& op, Tensor numbers) {
  std::erase_if(op.attributes, [](const Attribute& a) { return a.name != "name"; });
  op.attributes.push_back({"val", Literal::of(std::move(numbers))});
  op.arguments.clear();
  op.type = "const";
}

// A constant of its own for a further result of `op`.
std::unique_ptr<Operation> further_constant(const Operation& op, Value output, Tensor numbers) {
  auto constant = std::make_unique<Operation>();
  constant->type = "const";
  constant->version = op.version;
  constant->location = op.location;
  constant->attributes.push_back({"name", Literal::of(output->name)});
  constant->attributes.push_back({"val", Literal::of(std::move(numbers))});
  constant->outputs = {output};
  output->producer = constant.get();
  return constant;
}

}  // namespace

// In order, so that operations that are unpacked already feed later ones.
bool unpack_weights(Function& function) {
  bool changed = false;
  std::vector<std::unique_ptr<Operation>> operations;
  for (auto& op : function.operations) {
    Operation& packed = *op;
    operations.push_back(std::move(op));
    if (!is_constexpr(packed)) continue;
    std::vector<Tensor> results = unpacked(packed);
    become_constant(packed, std::move(results[0]));
    for (size_t i = 1; i < results.size(); ++i) {
      operations.push_back(further_constant(packed, packed.outputs[i], std::move(results[i])));
    }
    packed.outputs.resize(1);
    changed = true;
  }
  function.operations = std::move(operations);
  return changed;
}

}  // namespace anemone
