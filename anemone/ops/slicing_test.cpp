#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Numbers = std::vector<int64_t>;

Tensor iota(const Shape& shape) {
  Tensor tensor(DType::kFp64, shape);
  for (int64_t i = 0; i < tensor.size(); ++i) tensor.view().set(i, static_cast<double>(i));
  return tensor;
}

Value mask(Builder& b, const std::vector<bool>& bits) {
  return b.constant(Tensor::of<bool>({static_cast<int64_t>(bits.size())}, bits));
}

BuildOne by_index(Numbers begin, Numbers end, Numbers stride) {
  return [=](Builder& b, const auto& v) {
    return b.op("slice_by_index", {{"x", v[0]},
                                   {"begin", b.integers(begin)},
                                   {"end", b.integers(end)},
                                   {"stride", b.integers(stride)}});
  };
}

BuildOne masked(Numbers begin, Numbers end, Numbers stride, std::vector<bool> open_begin,
                std::vector<bool> open_end, std::vector<bool> squeeze) {
  return [=](Builder& b, const auto& v) {
    return b.op("slice_by_index", {{"x", v[0]},
                                   {"begin", b.integers(begin)},
                                   {"end", b.integers(end)},
                                   {"stride", b.integers(stride)},
                                   {"begin_mask", mask(b, open_begin)},
                                   {"end_mask", mask(b, open_end)},
                                   {"squeeze_mask", mask(b, squeeze)}});
  };
}

BuildOne by_size(Numbers begin, Numbers size) {
  return [=](Builder& b, const auto& v) { return b.slice_by_size(v[0], begin, size); };
}

BuildOne reverse(Numbers axes) {
  return [=](Builder& b, const auto& v) {
    return b.op("reverse", {{"x", v[0]}, {"axes", b.integers(axes)}});
  };
}

Build split(Numbers sizes, int64_t axis) {
  return [=](Builder& b, const auto& v) { return b.split(v[0], sizes, axis); };
}

Build split_evenly(int64_t parts, int64_t axis) {
  return [=](Builder& b, const auto& v) {
    return b.ops("split",
                 {{"x", v[0]}, {"num_splits", b.integer(parts)}, {"axis", b.integer(axis)}});
  };
}

std::string split_refusal(const Tensor& x, const Build& build) {
  return error_of([&] { run_reference({x}, build); });
}

TEST(SliceByIndex, IsPythonsSlice) {
  const Tensor x = iota({7});
  EXPECT_THAT(values(run_one({x}, by_index({1}, {6}, {2}))), ElementsAre(1, 3, 5));
  EXPECT_THAT(values(run_one({x}, by_index({-3}, {-1}, {1}))), ElementsAre(4, 5));
  EXPECT_THAT(values(run_one({x}, by_index({5}, {0}, {-2}))), ElementsAre(5, 3, 1));
  EXPECT_THAT(values(run_one({x}, by_index({4}, {100}, {1}))), ElementsAre(4, 5, 6));
  EXPECT_THAT(values(run_one({x}, by_index({-100}, {2147483647}, {2147483647}))), ElementsAre(0));
}

TEST(SliceByIndex, MasksOpenEndsAndDropAxes) {
  const Tensor x = iota({3, 4});
  EXPECT_THAT(values(run_one({x}, masked({0, 0}, {0, 0}, {-1, 2}, {true, true}, {true, true},
                                         {false, false}))),
              ElementsAre(8, 10, 4, 6, 0, 2));
  const Tensor row =
      run_one({x}, masked({-1, 1}, {0, 3}, {1, 1}, {false, false}, {false, false}, {true, false}));
  EXPECT_EQ(row.shape(), Shape{2});
  EXPECT_THAT(values(row), ElementsAre(9, 10));
}

TEST(SliceByIndex, RulesC1ToC4) {
  const Tensor x = iota({4});
  EXPECT_THAT(refusal({x}, by_index({0, 0}, {1}, {1})),
              HasSubstr("slice_by_index.c1: 'begin' has 2 numbers for rank 1"));
  EXPECT_THAT(refusal({x}, masked({4}, {0}, {1}, {false}, {false}, {true})),
              HasSubstr("slice_by_index.c2: index 4 is outside axis 0 of size 4"));
  EXPECT_THAT(refusal({x}, by_index({0}, {2}, {0})),
              HasSubstr("slice_by_index.c3: the stride of axis 0 is 0"));
  EXPECT_THAT(refusal({x}, by_index({2}, {2}, {1})),
              HasSubstr("slice_by_index.c4: the slice of axis 0 is empty"));
}

TEST(SliceBySize, MinusOneReachesTheEnd) {
  const Tensor y = run_one({iota({3, 4})}, by_size({-2, 1}, {-1, 2}));
  EXPECT_THAT(values(y), ElementsAre(5, 6, 9, 10));
}

TEST(SliceBySize, RulesC1AndC2) {
  EXPECT_THAT(refusal({iota({4})}, by_size({0}, {1, 1})),
              HasSubstr("slice_by_size.c1: 'size' has 2 numbers for rank 1"));
  EXPECT_THAT(refusal({iota({4})}, by_size({2}, {3})),
              HasSubstr("slice_by_size.c2: 3 elements from 2 are not in axis 0 of size 4"));
  EXPECT_THAT(refusal({iota({4})}, by_size({-5}, {1})), HasSubstr("slice_by_size.c2"));
  EXPECT_THAT(refusal({iota({4})}, by_size({0}, {0})), HasSubstr("slice_by_size.c2"));
}

BuildOne update(Numbers begin, Numbers end, Numbers stride, std::vector<bool> squeeze) {
  return [=](Builder& b, const auto& v) {
    return b.op("slice_update", {{"x", v[0]},
                                 {"update", v[1]},
                                 {"begin", b.integers(begin)},
                                 {"end", b.integers(end)},
                                 {"stride", b.integers(stride)},
                                 {"squeeze_mask", mask(b, squeeze)}});
  };
}

// Where the slice is, is an input: a key/value cache is written so.
BuildOne update_from(const std::vector<bool>& open_end = {}) {
  return [=](Builder& b, const auto& v) {
    std::vector<Argument> arguments = {
        {"x", v[0]}, {"update", v[1]}, {"begin", v[2]}, {"end", v[3]}};
    if (!open_end.empty()) arguments.push_back({"end_mask", mask(b, open_end)});
    return b.op("slice_update", std::move(arguments));
  };
}

TEST(SliceUpdate, ReplacesASlice) {
  const Tensor x = iota({2, 4});
  const Tensor two = Tensor::of<double>({2, 2}, {10, 20, 30, 40});
  EXPECT_THAT(values(run_one({x, two}, update({0, 1}, {2, 4}, {1, 2}, {false, false}))),
              ElementsAre(0, 10, 2, 20, 4, 30, 6, 40));
  EXPECT_THAT(values(run_one({x, two}, update({1, 3}, {-3, 1}, {-1, -1}, {false, false}))),
              ElementsAre(0, 1, 40, 30, 4, 5, 20, 10));
  const Tensor row = Tensor::of<double>({4}, {9, 8, 7, 6});
  EXPECT_THAT(values(run_one({x, row}, update({-1, 0}, {0, 4}, {1, 1}, {true, false}))),
              ElementsAre(0, 1, 2, 3, 9, 8, 7, 6));
}

TEST(SliceUpdate, MayFindItsPlaceWhileItRuns) {
  const auto at = [](int32_t begin, int32_t end) {
    return Inputs{iota({4, 2}), Tensor::of<double>({1, 2}, {-1, -2}),
                  Tensor::of<int32_t>({2}, {begin, 0}), Tensor::of<int32_t>({2}, {end, 2})};
  };
  EXPECT_THAT(values(run_one(at(2, 3), update_from())), ElementsAre(0, 1, 2, 3, -1, -2, 6, 7));
  EXPECT_THAT(values(run_one(at(-1, 0), update_from({true, false}))),
              ElementsAre(0, 1, 2, 3, 4, 5, -1, -2));
  EXPECT_THAT(refusal(at(1, 3), update_from()),
              HasSubstr("slice_update.c5: update [1, 2] is put into a slice [2, 2]"));
  EXPECT_THAT(refusal(at(3, 3), update_from()), HasSubstr("slice_update.c4"));
}

TEST(SliceUpdate, RulesC1ToC7) {
  const Tensor x = iota({4});
  const auto refused = [&](const Tensor& part, const BuildOne& build) {
    return refusal({x, part}, build);
  };
  const Tensor one = Tensor::of<double>({1}, {5});
  EXPECT_THAT(refused(one, update({0, 0}, {1, 1}, {1, 1}, {false})), HasSubstr("slice_update.c1"));
  EXPECT_THAT(refused(one, update({4}, {5}, {1}, {true})), HasSubstr("slice_update.c2: index 4"));
  EXPECT_THAT(refused(one, update({0}, {1}, {0}, {false})), HasSubstr("slice_update.c3"));
  EXPECT_THAT(refused(one, update({1}, {1}, {1}, {false})), HasSubstr("slice_update.c4"));
  EXPECT_THAT(refused(one, update({0}, {2}, {1}, {false})), HasSubstr("slice_update.c5"));
  EXPECT_THAT(refused(one.cast(DType::kFp32), update({0}, {1}, {1}, {false})),
              HasSubstr("slice_update.c6: x is fp64 and update fp32"));
  EXPECT_THAT(refused(Tensor::of<double>({}, {5}), update({0}, {1}, {1}, {true})),
              HasSubstr("slice_update.c7: update is a scalar"));
}

TEST(SliceUpdate, GradientsAgreeWithFiniteDifferences) {
  const Tensor x = random_tensor({4, 7}, 1);
  expect_gradient({x, random_tensor({2, 3}, 2)}, update({3, 0}, {-5, 7}, {-2, 3}, {false, false}));
  expect_gradient({x, random_tensor({7}, 3)}, update({2, 0}, {0, 7}, {1, 1}, {true, false}));
}

BuildOne crop(Numbers height, Numbers width) {
  return [=](Builder& b, const auto& v) {
    return b.op(
        "crop",
        {{"x", v[0]}, {"crop_height", b.integers(height)}, {"crop_width", b.integers(width)}});
  };
}

TEST(Crop, CutsBothEndsOfTheLastTwoAxes) {
  const Tensor y = run_one({iota({1, 3, 4})}, crop({1, 0}, {0, 2}));
  EXPECT_EQ(y.shape(), (Shape{1, 2, 2}));
  EXPECT_THAT(values(y), ElementsAre(4, 5, 8, 9));
  expect_gradient({random_tensor({2, 4, 5}, 1)}, crop({1, 1}, {2, 0}));
}

TEST(Crop, RulesC1AndC2) {
  EXPECT_THAT(refusal({iota({3, 4})}, crop({0, 0}, {0, 0})), HasSubstr("crop.c1: x [3, 4]"));
  EXPECT_THAT(refusal({iota({1, 3, 4})}, crop({1, 2}, {0, 0})),
              HasSubstr("crop.c2: 'crop_height' is not two amounts that leave some of 3"));
  EXPECT_THAT(refusal({iota({1, 3, 4})}, crop({0, 0}, {-1, 0})), HasSubstr("crop.c2"));
  EXPECT_THAT(refusal({iota({1, 3, 4})}, crop({0}, {0, 0})), HasSubstr("crop.c2"));
}

TEST(Slice, GradientsAgreeWithFiniteDifferences) {
  const Tensor x = random_tensor({4, 7}, 1);
  expect_gradient({x}, by_index({1, 0}, {3, 7}, {1, 3}));
  expect_gradient({x}, by_index({3, 6}, {0, 1}, {-1, -2}));
  expect_gradient({x}, by_index({0, 1}, {4, 2}, {2, 5}));
  expect_gradient({x}, masked({2, 0}, {0, 0}, {1, 2}, {false, true}, {false, true}, {true, false}));
  expect_gradient({x}, by_size({1, -3}, {2, -1}));
  expect_gradient({x}, by_size({0, 0}, {-1, -1}));
}

TEST(Split, CutsAnAxis) {
  const auto parts = run_reference({iota({2, 3})}, split({1, 2}, -1));
  EXPECT_THAT(values(parts[0]), ElementsAre(0, 3));
  EXPECT_THAT(values(parts[1]), ElementsAre(1, 2, 4, 5));
  const auto halves = run_reference({iota({4})}, split_evenly(2, 0));
  EXPECT_THAT(values(halves[1]), ElementsAre(2, 3));
}

TEST(Split, RulesC1ToC4) {
  const Tensor x = iota({4});
  EXPECT_THAT(split_refusal(x, split({4}, 1)), HasSubstr("split.c1: axis 1 is outside rank 1"));
  EXPECT_THAT(split_refusal(x, split({4, 0}, 0)), HasSubstr("split.c2: size 0 is not positive"));
  EXPECT_THAT(split_refusal(x, split({1, 2}, 0)), HasSubstr("split.c2: the sizes add up to 3"));
  EXPECT_THAT(split_refusal(x,
                            [](Builder& b, const auto& v) {
                              return b.ops("split", {{"x", v[0]}, {"axis", b.integer(0)}});
                            }),
              HasSubstr("split.c3: one of 'num_splits' and 'split_sizes' is needed"));
  EXPECT_THAT(split_refusal(x, split_evenly(3, 0)),
              HasSubstr("split.c4: axis 0 of size 4 has no 3 equal parts"));
  EXPECT_THAT(split_refusal(x, split_evenly(0, 0)), HasSubstr("split.c4"));
}

TEST(Split, GradientsAgreeWithFiniteDifferencesAlsoOfOnePart) {
  const Tensor x = random_tensor({2, 5}, 2);
  expect_gradients({x}, split({2, 2, 1}, 1));
  expect_gradient({x}, [](Builder& b, const auto& v) { return b.split(v[0], {2, 3}, 1)[1]; });
}

TEST(Reverse, TurnsAxesRound) {
  EXPECT_THAT(values(run_one({iota({2, 2})}, reverse({1}))), ElementsAre(1, 0, 3, 2));
  const auto all = [](Builder& b, const auto& v) { return b.unary("reverse", v[0]); };
  EXPECT_THAT(values(run_one({iota({2, 2})}, all)), ElementsAre(3, 2, 1, 0));
  expect_gradient({random_tensor({2, 3}, 3)}, reverse({-1}));
  EXPECT_THAT(refusal({iota({2})}, reverse({1})),
              HasSubstr("reverse.c1: axis 1 is outside rank 1"));
}

}  // namespace
}  // namespace anemone
