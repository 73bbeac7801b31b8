#include "anemone/devices/ane_spec/testing/rule_testing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "anemone/ops/verify.h"
#include "anemone/text/parser.h"

namespace anemone {

Function parse_body(const std::string& parameters, const std::string& body,
                    const std::string& result) {
  Program program =
      parse_mil("func main<ios18>(" + parameters + ") {\n" + body + "} -> (" + result + ");\n");
  EXPECT_THAT(verify(program), ::testing::IsEmpty());
  return std::move(program.functions.at(0));
}

std::vector<Finding> findings_on(int generation, const Function& function) {
  Chip chip;
  chip.family = static_cast<AneFamily>(12 + generation);
  return check_rules(function, Target{.chip = &chip});
}

std::vector<int> broken(int generation, const Function& function) {
  std::vector<int> numbers;
  for (const Finding& finding : findings_on(generation, function)) {
    numbers.push_back(std::stoi(std::string(finding.rule->id.substr(5))));
  }
  return numbers;
}

std::string first_message(int generation, const Function& function) {
  const auto findings = findings_on(generation, function);
  return findings.empty() ? "" : findings[0].violation.message;
}

Function one_op(const std::vector<Shape>& inputs, const Shape& output, const std::string& call) {
  std::string parameters;
  for (const Shape& shape : inputs) {
    parameters += parameters.empty() ? "" : ", ";
    parameters += to_string(Type::tensor(DType::kFp16, shape)) + " ";
    parameters += static_cast<char>('a' + (&shape - inputs.data()));
  }
  const std::string type = to_string(Type::tensor(DType::kFp16, output));
  return parse_body(parameters, type + " y = " + call + ";\n", "y");
}

std::string ints(const std::vector<int64_t>& values) {
  return "tensor<int32, [" + std::to_string(values.size()) + "]>(" + to_string(values) + ")";
}

Function conv(const ConvCase& c) {
  const std::string weight = to_string(Type::tensor(DType::kFp16, c.weight));
  std::string parameters = to_string(Type::tensor(DType::kFp16, c.x)) + " x";
  std::string body = c.begin;
  if (c.runtime) {
    parameters += ", " + weight + " w";
  } else {
    body += weight + " w = const()[val = " + weight + "(BLOBFILE(path = string(\"w\"), " +
            "offset = uint64(64)))];\n";
  }
  return parse_body(parameters,
                    body + to_string(Type::tensor(DType::kFp16, c.y)) +
                        " y = conv(x = x, weight = w" + c.more + ");\n",
                    "y");
}

}  // namespace anemone
