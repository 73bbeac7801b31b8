#include "anemone/ir/extract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anemone {
namespace {

using testing::ElementsAre;

const Type kType = Type::tensor(DType::kFp32, {2});

// Appends `type`(operands) with the given outputs.
std::vector<Value> append(Function& f, const char* type, const std::vector<Value>& operands,
                          const std::vector<std::string>& outputs) {
  auto op = std::make_unique<Operation>();
  op->type = type;
  for (size_t i = 0; i < operands.size(); ++i) {
    op->arguments.emplace_back(i == 0 ? "x" : "y", Operand(operands[i]));
  }
  for (const std::string& name : outputs) {
    op->outputs.push_back(f.add_variable(name, kType, op.get()));
  }
  f.operations.push_back(std::move(op));
  return f.operations.back()->outputs;
}

// a = exp(p); b = tanh(a); c = add(b, q); d = relu(r)
Function source() {
  Function f("main", "ios18");
  const Value p = f.add_input("p", kType), q = f.add_input("q", kType), r = f.add_input("r", kType);
  const Value a = append(f, "exp", {p}, {"a"})[0];
  const Value b = append(f, "tanh", {a}, {"b"})[0];
  append(f, "add", {b, q}, {"c"});
  append(f, "relu", {r}, {"d"});
  f.outputs = {f.find("c"), f.find("d")};
  return f;
}

std::vector<std::string> names(const std::vector<Value>& values) {
  std::vector<std::string> result;
  for (Value value : values) result.push_back(value->name);
  return result;
}

std::vector<std::string> operations(const Function& f) {
  std::vector<std::string> result;
  for (const auto& op : f.operations) result.push_back(op->type);
  return result;
}

TEST(Extract, TakesWhatTheOutputsNeedAndNoMore) {
  const Function f = source();
  const Function part = extract(f, "part", {f.find("c")}, [](Value) { return false; });
  EXPECT_EQ(part.name, "part");
  EXPECT_EQ(part.opset, "ios18");
  EXPECT_THAT(operations(part), ElementsAre("exp", "tanh", "add"));
  EXPECT_THAT(names(part.inputs), ElementsAre("p", "q"));
  EXPECT_THAT(names(part.outputs), ElementsAre("c"));
  EXPECT_TRUE(verify_structure(part).empty());
}

TEST(Extract, GivenValuesBecomeInputsAndWhatMadeThemStaysOut) {
  const Function f = source();
  const Function part =
      extract(f, "part", {f.find("c")}, [](Value v) { return v->name == "b" || v->name == "d"; });
  EXPECT_THAT(operations(part), ElementsAre("add"));
  EXPECT_THAT(names(part.inputs), ElementsAre("q", "b"));
  EXPECT_TRUE(verify_structure(part).empty());
}

TEST(Extract, LeavesTheSourceAsItWas) {
  const Function f = source(), before = f.clone();
  Function part = extract(f, "part", {f.find("c")}, [](Value) { return false; });
  part.operations[0]->type = "sin";
  EXPECT_TRUE(structurally_equal(f, before));
}

// split(p) → left, right; add(left, right): `left` is given, `right` is not.
TEST(Extract, AnOperationWithOneGivenOutputIsComputedForTheOther) {
  Function f("main", "ios18");
  const Value p = f.add_input("p", kType);
  const auto halves = append(f, "split", {p}, {"left", "right"});
  const Value other = append(f, "exp", {p}, {"left_1"})[0];
  const Value sum = append(f, "add", halves, {"sum"})[0];
  f.outputs = {append(f, "mul", {sum, other}, {"y"})[0]};
  const Function part = extract(f, "part", f.outputs, [](Value v) { return v->name == "left"; });
  EXPECT_THAT(names(part.inputs), ElementsAre("p", "left"));
  EXPECT_THAT(operations(part), ElementsAre("split", "exp", "add", "mul"));
  EXPECT_TRUE(verify_structure(part).empty());
  EXPECT_EQ(part.find("sum")->producer->find("x")->operands[0].value, part.inputs[1]);
}

}  // namespace
}  // namespace anemone
