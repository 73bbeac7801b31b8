#include <gtest/gtest.h>

#include <algorithm>

#include "anemone/passes/passes.h"
#include "anemone/tensor/compare.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

struct Case {
  const char* type;
  Shape weight;
  int64_t groups = 1;
  bool bias = false, gamma = true, beta = true;
  DType dtype = DType::kFp32;
};

constexpr int64_t kOutputs = 6;

// x [2, 4, 5, 5] through a convolution of six outputs and a batch norm.
Function network(const Case& c, double scale = 1, bool reads_twice = false) {
  Function f("f", "ios17");
  Builder b(f);
  const auto numbers = [&](const Shape& shape, uint64_t seed, double low, double high) {
    return b.constant(random_tensor(shape, seed, low, high).cast(c.dtype));
  };
  const Value x = b.input("x", c.dtype, {2, 4, 5, 5});
  std::vector<Argument> conv = {
      {"x", x}, {"weight", numbers(c.weight, 1, -scale, scale)}, {"groups", b.integer(c.groups)}};
  if (c.bias) conv.emplace_back("bias", numbers({kOutputs}, 2, -1, 1));
  const Value y = b.op(c.type, std::move(conv));
  std::vector<Argument> norm = {{"x", y},
                                {"mean", numbers({kOutputs}, 3, -1, 1)},
                                {"variance", numbers({kOutputs}, 4, 0.5, 2)}};
  if (c.gamma) norm.emplace_back("gamma", numbers({kOutputs}, 5, -2, 2));
  if (c.beta) norm.emplace_back("beta", numbers({kOutputs}, 6, -1, 1));
  b.output("out", b.op("batch_norm", std::move(norm)));
  if (reads_twice) b.output("other", b.unary("relu", y));
  return f;
}

int count(const Function& f, const char* type) {
  return static_cast<int>(std::count_if(f.operations.begin(), f.operations.end(),
                                        [&](const auto& op) { return op->type == type; }));
}

const Case kCases[] = {
    {"conv", {6, 4, 3, 3}},
    {"conv", {6, 4, 3, 3}, 1, true, false, false},
    {"conv", {6, 2, 3, 3}, 2, true, true, false},
    {"conv_transpose", {4, 6, 3, 3}},
    {"conv_transpose", {4, 3, 2, 2}, 2, true},
    {"conv", {6, 4, 1, 1}, 1, true, true, true, DType::kFp16},
};

TEST(FoldBatchNorm, GivesTheSameFromOneConvolution) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::string(c.type) + to_string(c.weight));
    Function f = network(c);
    NamedTensors x;
    x["x"] = random_tensor({2, 4, 5, 5}, 7).cast(c.dtype);
    const NamedTensors before = evaluate(f, x);
    EXPECT_TRUE(fold_batch_norm(f));
    EXPECT_EQ(count(f, "batch_norm"), 0);
    EXPECT_EQ(count(f, c.type), 1);
    const double tolerance = c.dtype == DType::kFp16 ? 2e-3 : 1e-6;
    EXPECT_LE(compare(evaluate(f, x).at("out"), before.at("out")).relative_norm, tolerance);
  }
}

TEST(FoldBatchNorm, LeavesAConvolutionThatSomethingElseReads) {
  Function f = network(kCases[0], 1, true);
  EXPECT_FALSE(fold_batch_norm(f));
}

TEST(FoldBatchNorm, LeavesWeightsThatWouldLoseDigitsInFp16) {
  Case c = kCases[5];
  Function f = network(c, 0x1p-12);
  EXPECT_FALSE(fold_batch_norm(f));
  c.dtype = DType::kFp32;
  Function wide = network(c, 0x1p-12);
  EXPECT_TRUE(fold_batch_norm(wide));
}

}  // namespace
}  // namespace anemone
