#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

Value attention(Builder& b, const std::vector<Value>& v) {
  std::vector<Argument> arguments = {{"query", v[0]}, {"key", v[1]}, {"value", v[2]}};
  if (v.size() > 3) arguments.emplace_back("attn_mask", v[3]);
  return b.op("scaled_dot_product_attention", std::move(arguments));
}

TEST(Attention, WeighsValuesBySimilarity) {
  // Scores 1/sqrt(2) and 0: weights 0.6697615493266569 and 0.3302384506733431.
  const Tensor q = Tensor::of<double>({1, 1, 2}, {1, 0});
  const Tensor k = Tensor::of<double>({1, 2, 2}, {1, 0, 0, 1});
  const Tensor v = Tensor::of<double>({1, 2, 1}, {1, 0});
  EXPECT_THAT(values(run_one({q, k, v}, attention)),
              ElementsAre(DoubleNear(0.6697615493266569, 1e-14)));
  const Tensor hidden = Tensor::of<bool>({2}, {false, true});
  EXPECT_THAT(values(run_one({q, k, v, hidden}, attention)), ElementsAre(0));
  const Tensor penalty = Tensor::of<double>({2}, {-0.7071067811865476, 0});
  EXPECT_THAT(values(run_one({q, k, v, penalty}, attention)), ElementsAre(DoubleNear(0.5, 1e-14)));
}

TEST(Attention, RulesC1ToC6) {
  const Tensor q = random_tensor({2, 3, 4}, 0), k = random_tensor({2, 5, 4}, 0);
  const std::string op = "scaled_dot_product_attention";
  EXPECT_THAT(refusal({q, Tensor(DType::kFp32, {2, 5, 4}), k}, attention),
              HasSubstr(op + ".c1: 'query' is fp64 and 'key' is fp32"));
  EXPECT_THAT(refusal({q, random_tensor({5, 4}, 0), k}, attention),
              HasSubstr(op + ".c2: ranks 3, 2 and 3"));
  EXPECT_THAT(refusal({q, random_tensor({1, 5, 4}, 0), k}, attention),
              HasSubstr(op + ".c3: batch axes"));
  EXPECT_THAT(refusal({q, k, q}, attention), HasSubstr(op + ".c4"));
  EXPECT_THAT(refusal({q, k, k, random_tensor({2, 5}, 0)}, attention), HasSubstr(op + ".c5"));
  EXPECT_THAT(refusal({q, k, k, random_tensor({1, 2, 3, 5}, 0)}, attention), HasSubstr(op + ".c5"));
  EXPECT_THAT(refusal({q, k, k, Tensor(DType::kInt32, {3, 5})}, attention),
              HasSubstr(op + ".c6: the mask is int32"));
}

TEST(Attention, GradientsAgreeWithFiniteDifferences) {
  const Tensor q = random_tensor({2, 3, 4}, 1), k = random_tensor({2, 5, 4}, 2);
  const Tensor v = random_tensor({2, 5, 2}, 3);
  expect_gradient({q, k, v}, attention);
  expect_gradient({q, k, v, random_tensor({3, 5}, 4)}, attention);
  expect_gradient({q, k, v, Tensor::of<bool>({5}, {true, false, true, true, false})}, attention);
}

}  // namespace
}  // namespace anemone
