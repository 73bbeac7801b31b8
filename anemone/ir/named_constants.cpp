#include "anemone/ir/named_constants.h"

#include <utility>

namespace anemone {
namespace {

std::unique_ptr<Operation> make_const(Function& function, const Operation& user,
                                      const std::string& parameter, const Literal& literal) {
  auto op = std::make_unique<Operation>();
  op->type = "const";
  op->location = user.location;
  const std::string& base = user.outputs.empty() ? user.type : user.outputs[0]->name;
  const std::string name = function.fresh_name(base + "_" + parameter);
  op->attributes.push_back({"name", Literal::of(name)});
  op->attributes.push_back({"val", literal});
  op->outputs.push_back(function.add_variable(name, literal.type, op.get()));
  return op;
}

}  // namespace

void name_constants(Function& function) {
  std::vector<std::unique_ptr<Operation>> operations;
  for (std::unique_ptr<Operation>& op : function.operations) {
    if (!op->type.starts_with("constexpr_")) {
      for (Argument& argument : op->arguments) {
        for (size_t i = 0; i < argument.operands.size(); ++i) {
          Operand& operand = argument.operands[i];
          if (!operand.literal) continue;
          std::string parameter = argument.name;
          if (argument.is_tuple) parameter += "_" + std::to_string(i);
          operations.push_back(make_const(function, *op, parameter, *operand.literal));
          operand = operations.back()->outputs[0];
        }
      }
    }
    operations.push_back(std::move(op));
  }
  function.operations = std::move(operations);
}

}  // namespace anemone
