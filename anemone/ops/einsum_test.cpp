#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

BuildOne einsum(const char* equation) {
  return [=](Builder& b, const auto& v) {
    return b.op("einsum", {{"values", std::vector<Operand>(v.begin(), v.end())},
                           {"equation", b.text(equation)}});
  };
}

// out[c, h, r] = sum over w of a[c, h, w] b[w, h, r]
TEST(Einsum, ContractsTheLastAxisWithTheThirdFromTheEnd) {
  const Tensor a = Tensor::of<double>({1, 2, 2}, {1, 2, 3, 4});
  const Tensor b = Tensor::of<double>({2, 2, 1}, {5, 6, 7, 8});
  EXPECT_THAT(values(run_one({a, b}, einsum("chw,whr->chr"))), ElementsAre(19, 50));
  EXPECT_THAT(values(run_one({a, b}, einsum("abc, cbd -> abd"))), ElementsAre(19, 50));
}

TEST(Einsum, RulesC1ToC5) {
  const Tensor a = random_tensor({2, 3, 4}, 0), b = random_tensor({4, 3, 5}, 1);
  EXPECT_THAT(refusal({a}, einsum("chw,whr->chr")), HasSubstr("einsum.c1: 1 values, not two"));
  EXPECT_THAT(refusal({a, b.cast(DType::kFp32)}, einsum("chw,whr->chr")),
              HasSubstr("einsum.c2: the values are fp64 and fp32"));
  EXPECT_THAT(refusal({a, b}, einsum("chw,whr->crh")),
              HasSubstr("einsum.c3: 'chw,whr->crh' is neither"));
  EXPECT_THAT(refusal({a, b}, einsum("nchw,nwhu->nchu")), HasSubstr("einsum.c4"));
  EXPECT_THAT(refusal({a, random_tensor({5, 3, 5}, 1)}, einsum("chw,whr->chr")),
              HasSubstr("einsum.c5"));
}

TEST(Einsum, GradientsAgreeWithFiniteDifferences) {
  expect_gradient({random_tensor({2, 3, 1, 4}, 1), random_tensor({1, 4, 2, 3}, 2)},
                  einsum("nchw,nwhu->nchu"));
  expect_gradient({random_tensor({2, 3, 4}, 3), random_tensor({4, 1, 2}, 4)},
                  einsum("chw,whr->chr"));
}

}  // namespace
}  // namespace anemone
