#include "anemone/ir/program.h"

#include <gtest/gtest.h>

namespace anemone {
namespace {

// y = relu(x); z = exp(y), with z unused when `return_y`.
Function two_operations(bool return_y) {
  Function f("main", "ios18");
  const Type type = Type::tensor(DType::kFp32, {2});
  Value last = f.add_input("x", type);
  for (const char* op_type : {"relu", "exp"}) {
    auto op = std::make_unique<Operation>();
    op->type = op_type;
    op->arguments.emplace_back("x", Operand(last));
    last = f.add_variable(f.fresh_name("y"), type, op.get());
    op->outputs = {last};
    f.operations.push_back(std::move(op));
  }
  f.outputs = {return_y ? f.find("y") : last};
  return f;
}

TEST(Function, FreshNamesDoNotRepeat) {
  const Function f = two_operations(false);
  EXPECT_NE(f.find("y"), nullptr);
  EXPECT_NE(f.find("y_1"), nullptr);
  EXPECT_EQ(f.fresh_name("y"), "y_2");
}

TEST(Function, RemoveUnusedKeepsWhatTheOutputsNeed) {
  Function f = two_operations(true);
  EXPECT_EQ(f.remove_unused(), 1);
  EXPECT_EQ(f.operations.size(), 1u);
  EXPECT_EQ(f.operations[0]->type, "relu");
}

TEST(Function, ACloneIsEqualAndIndependent) {
  const Function f = two_operations(false);
  Function copy = f.clone();
  EXPECT_TRUE(structurally_equal(f, copy));
  copy.operations[0]->type = "tanh";
  EXPECT_FALSE(structurally_equal(f, copy));
  EXPECT_EQ(f.operations[0]->type, "relu");
}

TEST(VerifyStructure, FindsUsesBeforeDefinitionAndDoubleNames) {
  Function f = two_operations(false);
  EXPECT_TRUE(verify_structure(f).empty());
  std::swap(f.operations[0], f.operations[1]);
  const auto diagnostics = verify_structure(f);
  ASSERT_EQ(diagnostics.size(), 1u);
  EXPECT_EQ(diagnostics[0].where, "exp 'y_1'");
  EXPECT_EQ(diagnostics[0].message, "'y' is used before it is defined");
  f.find("y_1")->name = "x";
  EXPECT_EQ(verify_structure(f).size(), 2u);
}

TEST(VerifyStructure, RefusesToReturnAnInputOrOneValueTwice) {
  Function f = two_operations(false);
  f.outputs.push_back(f.find("x"));
  f.outputs.push_back(f.find("y_1"));
  const auto diagnostics = verify_structure(f);
  ASSERT_EQ(diagnostics.size(), 2u);
  EXPECT_EQ(diagnostics[0].where, "function 'main'");
  EXPECT_EQ(diagnostics[0].message, "it returns its input 'x'; return identity(x)");
  EXPECT_EQ(diagnostics[0].hint, "inputs and outputs have buffers of their own");
  EXPECT_EQ(diagnostics[1].where, "function 'main'");
  EXPECT_EQ(diagnostics[1].message, "it returns 'y_1' twice");
  EXPECT_EQ(diagnostics[1].hint, "return identity(y_1) the second time");
}

TEST(Type, SpellsScalarsBare) {
  EXPECT_EQ(to_string(Type::tensor(DType::kFp16, {1, kUnknownSize})), "tensor<fp16, [1, ?]>");
  EXPECT_EQ(to_string(Type::tensor(DType::kInt32)), "int32");
}

}  // namespace
}  // namespace anemone
