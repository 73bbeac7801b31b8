#include "anemone/passes/ports_to_states.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/builder.h"

namespace anemone {
namespace {

Value input_called(const Function& function, const std::string& name) {
  const auto found = std::find_if(function.inputs.begin(), function.inputs.end(),
                                  [&](Value input) { return input->name == name; });
  return found == function.inputs.end() ? nullptr : *found;
}

// The state's content as operation `place` of the function, for whatever read the input.
void read_at_start(Function& function, size_t place, Value input, const Type& content) {
  auto read = std::make_unique<Operation>();
  read->type = "read_state";
  read->version = opset_from_name(function.opset);
  const Value now =
      function.add_variable(function.fresh_name(input->name + "_now"), content, read.get());
  replace_uses(function, input, now);
  read->arguments.emplace_back("input", input);
  read->outputs = {now};
  function.operations.insert(function.operations.begin() + static_cast<std::ptrdiff_t>(place),
                             std::move(read));
}

Value take_output(Function& function, const std::string& name) {
  const auto found = std::find_if(function.outputs.begin(), function.outputs.end(),
                                  [&](Value output) { return output->name == name; });
  ANEMONE_CHECK(found != function.outputs.end());
  const Value output = *found;
  function.outputs.erase(found);
  return output;
}

Type state_of(const Type& content) {
  Type type;
  type.kind = Type::Kind::kState;
  type.parts = {content};
  return type;
}

}  // namespace

void ports_to_states(Function& function, std::span<const StatePorts> states) {
  size_t reads = 0;
  for (const StatePorts& ports : states) {
    const Value written = take_output(function, ports.output);
    const Type content = written->type;
    if (content.dtype != DType::kFp16) {
      fail(ports.input, fmt::format("a state of {} is none of Core ML's", to_string(content)),
           "its states are fp16");
    }
    Value state = input_called(function, ports.input);
    if (state) {
      read_at_start(function, reads++, state, content);
      state->type = state_of(content);
    } else {
      state = function.add_input(ports.input, state_of(content));
    }
    Builder builder(function);
    builder.ops("write_state", {{"input", state}, {"data", written}});
  }
}

}  // namespace anemone
