#include "anemone/passes/set_aside.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/ops/verify.h"

namespace anemone {
namespace {

using Findings = std::vector<Diagnostic>;

void close_sizes(Variable& value) {
  Shape& shape = value.type.shape;
  std::replace(shape.begin(), shape.end(), kUnknownSize, int64_t{1});
}

// Decides the sizes of an input, 1 where nothing else does.
void close_input(Variable& input, const InputShapes& shapes, Findings& findings) {
  if (!input.type.is_tensor()) return;
  const auto known = shapes.find(input.name);
  if (known != shapes.end()) return give_shape(&input, known->second);
  if (is_static(input.type.shape)) return;
  const std::string open = to_string(input.type);
  close_sizes(input);
  findings.push_back({place_of(&input),
                      fmt::format("input '{}' has open sizes, {}: taken as {}", input.name, open,
                                  to_string(input.type.shape)),
                      "say them, like --shape " + input.name + "=1,64"});
}

// What is wrong with an operation, whose results get the types that follow from its operands.
Findings examine(Operation& op, bool was_open) {
  try {
    if (was_open) infer_operation(op);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidInput) throw;
    return {{error.where(), error.message(), error.hint()}};
  }
  return verify_operation(op);
}

void become_inputs(const Operation& op, Function& function) {
  for (Value output : op.outputs) {
    output->producer = nullptr;
    output->location = op.location;
    if (!output->type.is_tensor()) continue;
    close_sizes(*output);
    function.inputs.push_back(output);
  }
}

}  // namespace

std::vector<Diagnostic> set_aside_invalid(Function& function, const InputShapes& shapes) {
  Findings all = verify_structure(function);
  if (!all.empty()) return all;
  require_inputs(function, shapes);
  const bool was_open = is_flexible(function) || !shapes.empty();
  for (Value input : function.inputs) close_input(*input, shapes, all);
  std::vector<std::unique_ptr<Operation>> kept;
  for (auto& op : function.operations) {
    Findings found = examine(*op, was_open);
    if (found.empty()) {
      kept.push_back(std::move(op));
    } else {
      become_inputs(*op, function);
      std::move(found.begin(), found.end(), std::back_inserter(all));
    }
  }
  function.operations = std::move(kept);
  return all;
}

}  // namespace anemone
