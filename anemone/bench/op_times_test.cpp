#include "anemone/bench/op_times.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

// Of a run of both the follower gets what it took and the product the rest.
TEST(OpTimes, SplitTheTimeOfAProductAndOfWhatRunsOnItsRows) {
  const Shape shape = {1, 4, 1, 8};
  const Function f =
      make_function({Tensor(DType::kFp32, shape), Tensor(DType::kFp32, {4, 4, 1, 1})},
                    [](Builder& b, const auto& v) {
                      const Value up = b.conv1x1(v[0], v[1]);
                      return std::vector{b.op("anemone.swiglu", {{"gate", v[0]}, {"up", up}})};
                    });
  OpTimes times(8);
  const auto add = [&](const std::string& type) {
    const auto op = std::find_if(f.operations.begin(), f.operations.end(),
                                 [&](const auto& op) { return op->type == type; });
    return times.add("f", **op);
  };
  const size_t product = add("conv"), follower = add("anemone.swiglu");
  constexpr double kFollower = 0.25;
  const double start = times.timeline().now_ms();
  times.begin(product);
  const double begun = times.timeline().now_ms();
  while (times.timeline().now_ms() < begun + 2 * kFollower) {
  }
  times.end(product, follower, kFollower);
  const double all = times.timeline().now_ms() - start;
  auto kinds = times.kinds();
  EXPECT_NEAR(kinds["activations"], kFollower, 1e-9);
  EXPECT_GE(kinds["gemm forward"], kFollower);
  EXPECT_LE(kinds["gemm forward"], all - kFollower);
}

}  // namespace
}  // namespace anemone
