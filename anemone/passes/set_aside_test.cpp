#include "anemone/passes/set_aside.h"

#include <gmock/gmock.h>

#include "anemone/ops/builder.h"
#include "anemone/ops/verify.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

// x -> relu -> unknown -> exp -> clip with its limits exchanged -> tanh
Function broken(const Shape& shape) {
  Function f("main", "ios18");
  Builder b(f);
  const Value x = b.input("x", DType::kFp32, shape);
  const Value a = b.unary("relu", x);
  const Value middle = b.unary("identity", a);
  const Value c = b.unary("exp", middle);
  const Value limited =
      b.op("clip",
           {{"x", c}, {"alpha", b.scalar(DType::kFp32, -1)}, {"beta", b.scalar(DType::kFp32, 1)}});
  b.output("y", b.unary("tanh", limited));
  middle->producer->type = "frobnicate";
  std::swap(limited->producer->arguments[1].name, limited->producer->arguments[2].name);
  return f;
}

TEST(SetAside, LeavesAValidProgramAsItIs) {
  Function f("main", "ios18");
  Builder b(f);
  b.output("y", b.unary("relu", b.input("x", DType::kFp32, {2, 3})));
  EXPECT_TRUE(set_aside_invalid(f, {}).empty());
  EXPECT_EQ(f.inputs.size(), 1u);
}

TEST(SetAside, KeepsWhatIsValidAroundWhatIsNot) {
  Function f = broken({2, 3});
  const std::vector<Diagnostic> found = set_aside_invalid(f, {});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_THAT(found[0].message, HasSubstr("unknown operation 'frobnicate'"));
  EXPECT_THAT(found[1].message, HasSubstr("clip.c1"));
  EXPECT_EQ(f.inputs.size(), 3u);  // x, and what the two gave
  EXPECT_TRUE(verify(f).empty());
}

TEST(SetAside, TakesOpenSizesAsOne) {
  Function f("main", "ios18");
  Builder b(f);
  b.output("y", b.unary("relu", b.input("x", DType::kFp32, {2, 3})));
  f.inputs[0]->type.shape = f.outputs[0]->type.shape = {2, kUnknownSize};
  const std::vector<Diagnostic> found = set_aside_invalid(f, {});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0].hint, HasSubstr("--shape x=1,64"));
  EXPECT_EQ(f.outputs[0]->type.shape, Shape({2, 1}));
}

TEST(SetAside, UsesTheSizesThatAreGiven) {
  Function f("main", "ios18");
  Builder b(f);
  b.output("y", b.unary("relu", b.input("x", DType::kFp32, {2, 3})));
  f.inputs[0]->type.shape = f.outputs[0]->type.shape = {2, kUnknownSize};
  EXPECT_TRUE(set_aside_invalid(f, {{"x", {2, 7}}}).empty());
  EXPECT_EQ(f.outputs[0]->type.shape, Shape({2, 7}));
}

}  // namespace
}  // namespace anemone
