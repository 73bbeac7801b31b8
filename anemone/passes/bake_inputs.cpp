#include "anemone/passes/bake_inputs.h"

#include <algorithm>

#include "anemone/base/error.h"

namespace anemone {
namespace {

Literal literal_of(const Value input, const TensorView& numbers) {
  Literal literal;
  literal.type = input->type;
  if (!numbers.data) {
    literal.blob = BlobRef{"@model_path/weights/" + input->name + ".bin", 64};
    return literal;
  }
  Tensor tensor(input->type.dtype, input->type.shape);
  ANEMONE_CHECK(numbers.size() == tensor.size());
  convert(numbers, tensor);
  literal.tensor = std::make_shared<const Tensor>(std::move(tensor));
  return literal;
}

}  // namespace

void bake_inputs(Function& function, const std::map<std::string, TensorView>& constants) {
  std::vector<std::unique_ptr<Operation>> made;
  for (Value input : function.inputs) {
    const auto found = constants.find(input->name);
    if (found == constants.end()) continue;
    auto op = std::make_unique<Operation>();
    op->type = "const";
    op->attributes.push_back({"name", Literal::of(input->name)});
    op->attributes.push_back({"val", literal_of(input, found->second)});
    op->outputs = {input};
    input->producer = op.get();
    made.push_back(std::move(op));
  }
  std::erase_if(function.inputs, [](Value input) { return input->producer != nullptr; });
  function.operations.insert(function.operations.begin(), std::make_move_iterator(made.begin()),
                             std::make_move_iterator(made.end()));
}

}  // namespace anemone
