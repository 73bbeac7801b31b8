// For tests of rules: short programs, and which rules they break on which chips.
#pragma once

#include <string>
#include <vector>

#include "anemone/devices/ane_spec/rules.h"

namespace anemone {

inline const std::vector<int> kAllChips = {1, 2, 3, 4, 5, 6};  // M1, …

std::vector<Finding> findings_on(int generation, const Function& function);
// Numbers of the rules that break: {3, 42}.
std::vector<int> broken(int generation, const Function& function);
// Of the first finding, or "".
std::string first_message(int generation, const Function& function);

// A function with these parameters; `body` are its lines, from line 2 on. Fails the test where the
// program is not valid MIL.
Function parse_body(const std::string& parameters, const std::string& body,
                    const std::string& result);

// One operation on fp16 inputs "a", "b", …: one_op({{1, 4}}, {1, 4}, "relu(x = a)").
Function one_op(const std::vector<Shape>& inputs, const Shape& output, const std::string& call);

// "tensor<int32, [2]>([1, 8])".
std::string ints(const std::vector<int64_t>& values);

// A convolution of input "x".
struct ConvCase {
  Shape x, weight, y;
  std::string more = "";   // after the weight
  bool runtime = false;    // the weight is an input
  std::string begin = "";  // operations in front
};
Function conv(const ConvCase& c);

}  // namespace anemone
