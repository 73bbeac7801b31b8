#include "anemone/passes/rewrite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/ops/verify.h"
#include "anemone/passes/passes.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;

std::vector<std::string> names(const std::vector<Value>& values) {
  std::vector<std::string> result;
  for (Value value : values) result.push_back(value->name);
  return result;
}

// Replaces every relu by its operand.
bool drop_relu(Function& f) {
  return rewrite(f, [](Builder&, const Operation& op) -> std::optional<std::vector<Value>> {
    if (op.type != "relu") return std::nullopt;
    return std::vector{op.find("x")->operands[0].value};
  });
}

void expect_valid(const Function& f) {
  for (const Diagnostic& diagnostic : verify(f)) ADD_FAILURE() << diagnostic.message;
}

TEST(Rewrite, WithoutAReplacementLeavesTheFunctionAlone) {
  Function f = make_function({random_tensor({2}, 1)}, [](Builder& b, const auto& v) {
    return std::vector{b.unary("exp", v[0])};
  });
  const Operation* exp = f.operations[0].get();
  EXPECT_FALSE(drop_relu(f));
  EXPECT_EQ(f.operations[0].get(), exp);
}

TEST(Rewrite, AnOutputReplacedByAnInputBecomesACopyUnderItsName) {
  Function f = make_function({random_tensor({2}, 1)}, [](Builder& b, const auto& v) {
    return std::vector{b.unary("relu", v[0])};
  });
  EXPECT_TRUE(drop_relu(f));
  expect_valid(f);
  EXPECT_THAT(names(f.outputs), ElementsAre("out0"));
  EXPECT_EQ(f.outputs[0]->producer->type, "identity");
}

TEST(Rewrite, TwoOutputsReplacedByOneValueKeepTheirNames) {
  Function f = make_function({random_tensor({2}, 1)}, [](Builder& b, const auto& v) {
    const Value x = b.unary("exp", v[0]);
    return std::vector{b.unary("relu", x), b.unary("relu", x), x};
  });
  EXPECT_TRUE(drop_relu(f));
  expect_valid(f);
  EXPECT_THAT(names(f.outputs), ElementsAre("out0", "out1", "out2"));
}

// What a replacement emits is called "mul" and "sigmoid", as the outputs of the function are.
TEST(Rewrite, NamesOfOutputsSurviveWhatReplacementsCallTheirValues) {
  Function f("main", "ios18");
  Builder b(f);
  const Value x = b.input("x", DType::kFp64, {1, 2, 1, 2});
  const Value y = b.op("anemone.swiglu", {{"gate", x}, {"up", x}});
  b.output("mul", b.unary("tanh", y));
  b.output("sigmoid", b.unary("exp", y));
  b.output("mul_1", b.unary("relu", y));
  EXPECT_TRUE(decompose_composites(f));
  expect_valid(f);
  EXPECT_THAT(names(f.outputs), ElementsAre("mul", "sigmoid", "mul_1"));
  EXPECT_EQ(f.outputs[0]->producer->type, "tanh");
}

TEST(Rewrite, RemovesWhatIsNoLongerUsed) {
  Function f = make_function({random_tensor({2}, 1)}, [](Builder& b, const auto& v) {
    return std::vector{b.unary("exp", b.unary("relu", v[0]))};
  });
  EXPECT_TRUE(rewrite(f, [](Builder& b, const Operation& op) -> std::optional<std::vector<Value>> {
    if (op.type != "exp") return std::nullopt;
    return std::vector{b.full_like(op.outputs[0], 1.0)};
  }));
  expect_valid(f);
  for (const auto& op : f.operations) EXPECT_NE(op->type, "relu");
}

}  // namespace
}  // namespace anemone
