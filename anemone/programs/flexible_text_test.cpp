#include "anemone/programs/flexible_text.h"

#include <gmock/gmock.h>

#include "anemone/ops/builder.h"
#include "anemone/text/parser.h"
#include "anemone/text/printer.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

Function open_function() {
  Function f("main", "ios17");
  Builder b(f);
  const Value x = b.input("x", DType::kFp32, {1, 3});
  const Value y = b.input("y", DType::kFp32, {1, 3});
  b.output("z", b.add(x, y));
  for (Value port : {f.inputs[0], f.inputs[1], f.outputs[0]}) port->type.shape = {1, kUnknownSize};
  return f;
}

Feature feature(const std::string& name, const Shape& shape) {
  Feature result;
  result.name = name;
  result.type = Type::tensor(DType::kFp32, shape);
  return result;
}

// Through the text that it becomes.
std::vector<Feature> read_again(Function function) {
  Program program;
  program.functions.push_back(std::move(function));
  return flexible_inputs(parse_mil(print_mil(program)).functions.at(0));
}

TEST(FlexibleText, KeepsDefaultsRangesAndChoices) {
  Function f = open_function();
  Feature x = feature("x", {1, 4}), y = feature("y", {1, 2});
  x.ranges = {{1, 1}, {2, -1}};
  y.enumerated = {{1, 2}, {1, 5}};
  set_flexible_inputs(f, {x, y});
  const std::vector<Feature> found = read_again(f.clone());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].type.shape, Shape({1, 4}));
  EXPECT_THAT(found[0].ranges, ElementsAre(Pair(1, 1), Pair(2, -1)));
  EXPECT_EQ(found[1].type.shape, Shape({1, 2}));
  EXPECT_THAT(found[1].enumerated, ElementsAre(Shape({1, 2}), Shape({1, 5})));
}

TEST(FlexibleText, ReadsWhatAppleWrites) {
  const std::string text =
      "program(1.3)\n{\n func main<ios17>(tensor<fp32, [1, ?]> x) [FlexibleShapeInformation = "
      "tuple<tuple<string, dict<string, tensor<int32, [?]>>>, tuple<string, dict<string, "
      "list<tensor<int32, [2]>, ?>>>>(((\"DefaultShapes\", {{\"x\", [1, 266]}}), (\"RangeDims\", "
      "{{\"x\", [[1, 1], [2, 4000]]}})))] {\n tensor<fp32, [1, ?]> y = relu(x = x);\n } -> "
      "(y);\n}\n";
  const std::vector<Feature> found = flexible_inputs(parse_mil(text).functions.at(0));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].type.shape, Shape({1, 266}));
  EXPECT_THAT(found[0].ranges, ElementsAre(Pair(1, 1), Pair(2, 4000)));
}

TEST(FlexibleText, SaysNothingOfFixedSizesAndUnknownInputs) {
  Function f = open_function();
  set_flexible_inputs(f, {feature("other", {1, 4})});
  EXPECT_TRUE(f.attributes.empty());
  f.inputs[0]->type.shape = f.inputs[1]->type.shape = {1, 3};
  set_flexible_inputs(f, {feature("x", {1, 3})});
  EXPECT_TRUE(f.attributes.empty());
}

}  // namespace
}  // namespace anemone
