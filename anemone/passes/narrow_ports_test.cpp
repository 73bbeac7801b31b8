#include <gtest/gtest.h>

#include "anemone/ops/verify.h"
#include "anemone/passes/passes.h"
#include "anemone/tensor/compare.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

constexpr int64_t kColumns = 5;

// x → t = exp(x), and where `other_reader` its tanh.
Function maker(bool other_reader = false, int64_t columns = kColumns) {
  Function f("maker", "ios18");
  Builder b(f);
  const Value t = b.unary("exp", b.input("x", DType::kFp32, {1, 3, 1, columns}));
  if (other_reader) b.output("u", b.unary("tanh", t));
  b.output("t", t);
  return f;
}

// t, w → y = w · t, and where `other_reader` also t's exponential.
Function reader(bool other_reader = false, int64_t columns = kColumns) {
  Function f("reader", "ios18");
  Builder b(f);
  const Value t = b.input("t", DType::kFp32, {1, 3, 1, columns});
  const Value w = b.input("w", DType::kFp32, {2, 3});
  b.output("y", b.matmul(w, b.reshape(t, {3, columns})));
  if (other_reader) b.output("z", b.unary("exp", t));
  return f;
}

bool narrow(Function& a, Function& b, const std::set<std::string>& kept = {}) {
  Function* const functions[] = {&a, &b};
  const bool changed = narrow_ports(functions, kept, DType::kBf16);
  for (Function* function : functions) {
    for (const Diagnostic& wrong : verify(*function)) ADD_FAILURE() << wrong.message;
  }
  EXPECT_EQ(changed, a.find("t")->type.dtype == DType::kBf16);
  EXPECT_EQ(changed, b.find("t")->type.dtype == DType::kBf16);
  return changed;
}

TEST(NarrowPorts, HandOnWhatOnlyProductsReadRounded) {
  Function a = maker(), b = reader();
  ASSERT_TRUE(narrow(a, b));
  NamedTensors inputs;
  inputs["x"] = random_tensor({1, 3, 1, kColumns}, 1).cast(DType::kFp32);
  const NamedTensors before = evaluate(maker(), inputs), after = evaluate(a, inputs);
  EXPECT_EQ(compare(after.at("t"), before.at("t").cast(DType::kBf16)).max_absolute, 0);

  NamedTensors given;
  given["t"] = after.at("t").clone();
  given["w"] = random_tensor({2, 3}, 2).cast(DType::kFp32);
  NamedTensors widened;
  widened["t"] = after.at("t").cast(DType::kFp32);
  widened["w"] = given.at("w").clone();
  EXPECT_EQ(compare(evaluate(b, given).at("y"), evaluate(reader(), widened).at("y")).max_absolute,
            0);
}

TEST(NarrowPorts, KeepWhatIsReadByAnythingElse) {
  for (const auto& [in_maker, in_reader] : {std::pair{true, false}, {false, true}}) {
    Function a = maker(in_maker), b = reader(in_reader);
    EXPECT_FALSE(narrow(a, b)) << in_maker;
  }
}

TEST(NarrowPorts, KeepNamesThatTheyAreTold) {
  Function a = maker(), b = reader();
  EXPECT_FALSE(narrow(a, b, {"t"}));
}

TEST(NarrowPorts, KeepSingleColumnsWhoseProductsRoundNothing) {
  Function a = maker(false, 1), b = reader(false, 1);
  EXPECT_FALSE(narrow(a, b));
}

TEST(NarrowPorts, KeepResultsOfProducts) {
  Function a("maker", "ios18");
  Builder build(a);
  const Value x = build.input("x", DType::kFp32, {3, kColumns});
  build.output("t", build.reshape(build.matmul(build.input("w", DType::kFp32, {3, 3}), x),
                                  {1, 3, 1, kColumns}));
  Function b = reader();
  EXPECT_FALSE(narrow(a, b));
}

TEST(NarrowPorts, KeepWhatNobodyTakes) {
  Function a = maker(), b = maker();
  Function* const functions[] = {&a, &b};
  EXPECT_FALSE(narrow_ports(functions, {}, DType::kBf16));
}

}  // namespace
}  // namespace anemone
