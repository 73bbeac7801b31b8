// A program as training sees it: which of its values can be trained and why others cannot, and what
// no gradient can pass.
#pragma once

#include <string>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

// A constant of a function, or a weight in a packed form.
struct ConstantRole {
  Value value = nullptr;
  std::string obstacle;  // why it cannot be trained; empty where it can
  bool packed = false;   // a weight that would have to be unpacked first
};

// In the order of definition; constants inside nested blocks are left out.
std::vector<ConstantRole> constant_roles(const Function& function);

// Turns constants into inputs, in their order behind the others, and returns their numbers, which
// must be loaded.
std::vector<Tensor> constants_to_inputs(Function& function, const std::vector<Value>& constants);

// The result of an operation by its name; null for inputs, and for values of nested blocks.
Value find_result(const Function& function, const std::string& name);
std::vector<std::string> result_names(const Function& function);

// Throws Error(kInvalidInput) for states and for operations with blocks.
void require_straight_line(const Function& function);

// What a softmax takes whose result is `value`, or a view or cast of it; else null.
Value softmax_operand(Value value);

// Names of what operations compute that read or make anything but fp32, constants aside.
std::vector<std::string> results_beside_floats(const Function& function);

}  // namespace anemone
