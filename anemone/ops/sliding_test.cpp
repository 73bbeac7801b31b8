#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

BuildOne windows(int64_t axis, int64_t size, int64_t stride) {
  return [=](Builder& b, const auto& v) {
    return b.op("sliding_windows", {{"x", v[0]},
                                    {"axis", b.integer(axis)},
                                    {"size", b.integer(size)},
                                    {"stride", b.integer(stride)}});
  };
}

BuildOne reversed(int64_t sequence, int64_t batch) {
  return [=](Builder& b, const auto& v) {
    return b.op("reverse_sequence", {{"x", v[0]},
                                     {"lengths", v[1]},
                                     {"seq_axis", b.integer(sequence)},
                                     {"batch_axis", b.integer(batch)}});
  };
}

Tensor ints(const std::vector<int32_t>& numbers) {
  return Tensor::of<int32_t>({static_cast<int64_t>(numbers.size())}, numbers);
}

TEST(SlidingWindows, LieBehindTheAxis) {
  const Tensor x = Tensor::of<double>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor y = run_one({x}, windows(0, 2, 2));
  EXPECT_EQ(y.shape(), (Shape{2, 2, 2}));
  EXPECT_THAT(values(y), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(values(run_one({x}, windows(-2, 3, 1))),
              ElementsAre(1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 7, 8));
}

TEST(SlidingWindows, RulesC1ToC3) {
  const Tensor x = random_tensor({4}, 0);
  EXPECT_THAT(refusal({x}, windows(1, 1, 1)), HasSubstr("sliding_windows.c1"));
  EXPECT_THAT(refusal({x}, windows(0, 1, 0)), HasSubstr("sliding_windows.c2: stride 0"));
  EXPECT_THAT(refusal({x}, windows(0, 5, 1)),
              HasSubstr("sliding_windows.c3: windows of 5 do not fit in axis 0 of size 4"));
}

// x and its windows have at most 2^40 elements; nothing of the size of their product is made
// before.
TEST(SlidingWindows, AreRefusedWhereTheyAreTooMany) {
  const auto large = [](Builder& b, const auto&) {
    return windows(0, 1 << 30, 1)(b, {b.fill(DType::kFp32, {2147483647}, 0)});
  };
  EXPECT_THAT(refusal({random_tensor({1}, 0)}, large), HasSubstr("any.c3"));
}

// TensorFlow's meaning: of each batch the first `length` steps are turned round.
TEST(ReverseSequence, TurnsTheBeginningOfEachBatch) {
  const Tensor x = Tensor::of<double>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_THAT(values(run_one({x, ints({3, 1})}, reversed(1, 0))),
              ElementsAre(3, 2, 1, 4, 5, 6, 7, 8));
  EXPECT_THAT(values(run_one({x, ints({0, 1, 2, 2})}, reversed(0, 1))),
              ElementsAre(1, 2, 7, 8, 5, 6, 3, 4));
}

TEST(ReverseSequence, RulesC1ToC4) {
  const Tensor x = random_tensor({2, 4}, 0);
  EXPECT_THAT(refusal({x, ints({1, 1})}, reversed(2, 0)), HasSubstr("reverse_sequence.c1"));
  EXPECT_THAT(refusal({x, ints({1, 1})}, reversed(0, 0)), HasSubstr("reverse_sequence.c2"));
  EXPECT_THAT(refusal({x, ints({1})}, reversed(1, 0)),
              HasSubstr("reverse_sequence.c3: lengths [1] are not [2], the size of axis 0"));
  EXPECT_THAT(refusal({x, ints({1, 5})}, reversed(1, 0)),
              HasSubstr("reverse_sequence.c4: length 5 at position 1 is not from 0 to 4"));
}

TEST(Sliding, GradientsAgreeWithFiniteDifferences) {
  expect_gradient({random_tensor({2, 7, 2}, 1)}, windows(1, 3, 2));
  expect_gradient({random_tensor({5}, 2)}, windows(0, 2, 1));
  expect_gradient({random_tensor({2, 4, 2}, 3), ints({3, 1})}, reversed(1, 0));
}

}  // namespace
}  // namespace anemone
