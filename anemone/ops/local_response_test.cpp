#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;
using testing::Pointwise;

BuildOne norm(int64_t size) {
  return [=](Builder& b, const auto& v) {
    const DType dtype = v[0]->type.dtype;
    return b.op("local_response_norm", {{"x", v[0]},
                                        {"size", b.integer(size)},
                                        {"alpha", b.scalar(dtype, 0.5)},
                                        {"beta", b.scalar(dtype, 0.75)},
                                        {"k", b.scalar(dtype, 2)}});
  };
}

// PyTorch's window: size / 2 channels before, (size - 1) / 2 behind.
double expected(const std::vector<double>& x, size_t at, int64_t size) {
  double sum = 0;
  for (int64_t j = static_cast<int64_t>(at) - size / 2;
       j <= static_cast<int64_t>(at) + (size - 1) / 2; ++j) {
    if (j >= 0 && j < static_cast<int64_t>(x.size()))
      sum += x[static_cast<size_t>(j)] * x[static_cast<size_t>(j)];
  }
  return x[at] / std::pow(2 + 0.5 / static_cast<double>(size) * sum, 0.75);
}

TEST(LocalResponseNorm, WeighsAChannelByItsNeighbours) {
  const std::vector<double> x = {1, -2, 3, 0.5, 4};
  for (int64_t size : {1, 2, 3, 4, 9}) {
    std::vector<double> want;
    for (size_t i = 0; i < x.size(); ++i) want.push_back(expected(x, i, size));
    EXPECT_THAT(values(run_one({Tensor::of<double>({1, 5, 1}, x)}, norm(size))),
                Pointwise(DoubleNear(1e-12), want));
  }
}

TEST(LocalResponseNorm, RulesC1AndC2) {
  EXPECT_THAT(refusal({random_tensor({2, 2}, 0)}, norm(1)), HasSubstr("local_response_norm.c1"));
  EXPECT_THAT(refusal({random_tensor({2, 2, 2}, 0)}, norm(0)),
              HasSubstr("local_response_norm.c2: size 0 is not from 1 to 65536"));
}

TEST(LocalResponseNorm, GradientsAgreeWithFiniteDifferences) {
  for (int64_t size : {1, 2, 3, 7}) {
    expect_gradient({random_tensor({2, 5, 2, 2}, 1)}, norm(size));
    expect_gradient({random_tensor({1, 4, 3}, 2)}, norm(size));
  }
}

}  // namespace
}  // namespace anemone
