#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/ops/indexing.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Tensor ints(const Shape& shape, const std::vector<int32_t>& numbers) {
  return Tensor::of<int32_t>(shape, numbers);
}

// Inputs: x, indices.
BuildOne gather_axis(int64_t axis, int64_t batch_dims = 0) {
  return [=](Builder& b, const auto& v) {
    return b.op("gather", {{"x", v[0]},
                           {"indices", v[1]},
                           {"axis", b.integer(axis)},
                           {"batch_dims", b.integer(batch_dims)}});
  };
}
BuildOne gather_along(int64_t axis) {
  return
      [=](Builder& b, const auto& v) { return gather(b, "gather_along_axis", v[0], v[1], axis); };
}
// Inputs: data, indices, updates.
BuildOne scatter_by(const char* op, int64_t axis, const char* mode) {
  return [=](Builder& b, const auto& v) { return scatter(b, op, v[0], v[1], v[2], axis, mode); };
}

TEST(Gather, PicksRowsAlongAnAxis) {
  const Tensor x = Tensor::of<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(values(run_one({x, ints({3}, {1, 0, -1})}, gather_axis(0))),
              ElementsAre(4, 5, 6, 1, 2, 3, 4, 5, 6));
  const Tensor columns = run_one({x, ints({1, 2}, {2, 0})}, gather_axis(-1));
  EXPECT_EQ(columns.shape(), (Shape{2, 1, 2}));
  EXPECT_THAT(values(columns), ElementsAre(3, 1, 6, 4));
  EXPECT_EQ(run_one({x, ints({}, {1})}, gather_axis(0)).shape(), Shape{3});
}

TEST(Gather, BatchesPickFromTheirOwn) {
  const Tensor x = Tensor::of<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(values(run_one({x, ints({2, 2}, {2, 0, 1, -1})}, gather_axis(1, 1))),
              ElementsAre(3, 1, 5, 6));
}

TEST(Gather, RulesC1ToC4) {
  const Tensor x = random_tensor({2, 3}, 0);
  EXPECT_THAT(refusal({x, ints({1}, {0})}, gather_axis(2)),
              HasSubstr("gather.c1: axis 2 is outside rank 2"));
  EXPECT_THAT(refusal({x, ints({2}, {0, 0})}, gather_axis(0, 1)),
              HasSubstr("gather.c2: 1 batch axes, at most 0 can be"));
  EXPECT_THAT(refusal({x, ints({3}, {0, 0, 0})}, gather_axis(1, 1)),
              HasSubstr("gather.c3: batch axis 0 is 2 in x and 3 in indices"));
  EXPECT_THAT(refusal({x, ints({2}, {0, 2})}, gather_axis(0)),
              HasSubstr("gather.c4: index 2 at position 1 is outside an axis of size 2"));
  EXPECT_THAT(refusal({x, ints({1}, {-3})}, gather_axis(0)), HasSubstr("gather.c4: index -3"));
}

TEST(Gather, GradientsAgreeWithFiniteDifferences) {
  expect_gradient({random_tensor({2, 4, 3}, 1), ints({2, 2}, {3, 0, 3, -1})}, gather_axis(1));
  expect_gradient({random_tensor({2, 2, 3, 2}, 2), ints({2, 2}, {2, 2, 0, -1})}, gather_axis(2, 1));
}

TEST(GatherAlongAxis, IsNumpysTakeAlongAxis) {
  const Tensor x = Tensor::of<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(values(run_one({x, ints({2, 2}, {2, 0, -1, 1})}, gather_along(1))),
              ElementsAre(3, 1, 6, 5));
  EXPECT_THAT(values(run_one({x, ints({1, 3}, {1, 0, 1})}, gather_along(0))), ElementsAre(4, 2, 6));
  expect_gradient({random_tensor({2, 3}, 1), ints({2, 4}, {0, 0, 2, 1, 1, 1, 1, -1})},
                  gather_along(1));
}

TEST(GatherAlongAxis, RulesC1ToC3) {
  const Tensor x = random_tensor({2, 3}, 0);
  EXPECT_THAT(refusal({x, ints({2, 1}, {0, 0})}, gather_along(2)),
              HasSubstr("gather_along_axis.c1: axis 2 is outside rank 2"));
  EXPECT_THAT(refusal({x, ints({1, 1}, {0})}, gather_along(1)),
              HasSubstr("gather_along_axis.c2: x [2, 3] and indices [1, 1] differ off axis 1"));
  EXPECT_THAT(refusal({x, ints({2, 1}, {0, 3})}, gather_along(1)),
              HasSubstr("gather_along_axis.c3: index 3 at position 1"));
}

BuildOne gather_nd(int64_t batch_dims = 0) {
  return [=](Builder& b, const auto& v) {
    return b.op("gather_nd",
                {{"x", v[0]}, {"indices", v[1]}, {"batch_dims", b.integer(batch_dims)}});
  };
}

// TensorFlow's meaning: the last axis of the indices is one place in x.
TEST(GatherNd, PicksPlacesOrWhatLiesBehindThem) {
  const Tensor x = Tensor::of<double>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_THAT(values(run_one({x, ints({2, 3}, {0, 1, 0, 1, 0, -1})}, gather_nd())),
              ElementsAre(3, 6));
  const Tensor rows = run_one({x, ints({1, 2}, {1, 0})}, gather_nd());
  EXPECT_EQ(rows.shape(), (Shape{1, 2}));
  EXPECT_THAT(values(rows), ElementsAre(5, 6));
  EXPECT_THAT(values(run_one({x, ints({2, 1, 1}, {1, 0})}, gather_nd(1))), ElementsAre(3, 4, 5, 6));
}

TEST(GatherNd, RulesC1ToC4) {
  const Tensor x = random_tensor({2, 3}, 0);
  EXPECT_THAT(refusal({x, ints({}, {0})}, gather_nd()), HasSubstr("gather_nd.c1"));
  EXPECT_THAT(refusal({x, ints({3}, {0, 0, 0})}, gather_nd()),
              HasSubstr("gather_nd.c2: 0 batch axes and 3 indices each do not fit x [2, 3]"));
  EXPECT_THAT(refusal({x, ints({2}, {0, 0})}, gather_nd(1)), HasSubstr("gather_nd.c2"));
  EXPECT_THAT(refusal({x, ints({3, 1}, {0, 0, 0})}, gather_nd(1)),
              HasSubstr("gather_nd.c3: batch axis 0 is 2 in x and 3 in indices"));
  EXPECT_THAT(refusal({x, ints({1, 2}, {1, 3})}, gather_nd()),
              HasSubstr("gather_nd.c4: index 3 at position 1 is outside an axis of size 3"));
}

TEST(GatherNd, GradientsAgreeWithFiniteDifferences) {
  const Tensor x = random_tensor({2, 3, 2}, 1);
  expect_gradient({x, ints({3, 2}, {0, 1, 1, -1, 0, 1})}, gather_nd());
  expect_gradient({x, ints({2, 2, 1}, {0, 2, 1, 1})}, gather_nd(1));
}

BuildOne scatter_places(const char* mode) {
  return [=](Builder& b, const auto& v) { return scatter_nd(b, v[0], v[1], v[2], mode); };
}

TEST(ScatterNd, WritesPlacesOrWhatLiesBehindThem) {
  const Tensor data = Tensor::of<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor places = ints({2, 2}, {1, 0, 1, 0}), updates = Tensor::of<double>({2}, {10, 20});
  const auto apply = [&](const char* mode) {
    return run_one({data, places, updates}, scatter_places(mode)).at(3);
  };
  EXPECT_EQ(apply("add"), 34);
  EXPECT_EQ(apply("update"), 20);
  EXPECT_EQ(apply("mul"), 800);
  const Tensor rows = Tensor::of<double>({1, 3}, {7, 8, 9});
  EXPECT_THAT(values(run_one({data, ints({1, 1}, {-2}), rows}, scatter_places("sub"))),
              ElementsAre(-6, -6, -6, 4, 5, 6));
}

TEST(ScatterNd, RulesC1ToC5) {
  const Tensor data = random_tensor({2, 3}, 0), one = random_tensor({1}, 0);
  const Tensor place = ints({1, 2}, {0, 0});
  const auto add = scatter_places("add");
  EXPECT_THAT(refusal({data, ints({1, 3}, {0, 0, 0}), one}, add), HasSubstr("scatter_nd.c1"));
  EXPECT_THAT(refusal({data, place, random_tensor({2}, 0)}, add),
              HasSubstr("scatter_nd.c2: updates are [2], not [1]"));
  EXPECT_THAT(refusal({data, place, one}, scatter_places("xor")), HasSubstr("scatter_nd.c3"));
  EXPECT_THAT(refusal({data, place, one.cast(DType::kFp32)}, add), HasSubstr("scatter_nd.c4"));
  EXPECT_THAT(refusal({data, ints({1, 2}, {2, 0}), one}, add),
              HasSubstr("scatter_nd.c5: index 2 at position 0"));
}

TEST(ScatterNd, GradientsAgreeWithFiniteDifferences) {
  const Tensor data = random_tensor({2, 3}, 1);
  for (const char* mode : {"add", "sub", "update"}) {
    SCOPED_TRACE(mode);
    expect_gradient({data, ints({2, 2}, {1, 0, 0, 2}), random_tensor({2}, 2)},
                    scatter_places(mode));
    expect_gradient({data, ints({1, 1}, {1}), random_tensor({1, 3}, 3)}, scatter_places(mode));
  }
}

TEST(Scatter, ModesCombineOldAndNew) {
  const Tensor data = Tensor::of<double>({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor indices = ints({2}, {2, 0}), updates = Tensor::of<double>({2, 2}, {10, 2, 2, 4});
  const auto apply = [&](const char* mode) {
    return values(run_one({data, indices, updates}, scatter_by("scatter", 0, mode)));
  };
  EXPECT_THAT(apply("add"), ElementsAre(3, 6, 3, 4, 15, 8));
  EXPECT_THAT(apply("sub"), ElementsAre(-1, -2, 3, 4, -5, 4));
  EXPECT_THAT(apply("mul"), ElementsAre(2, 8, 3, 4, 50, 12));
  EXPECT_THAT(apply("div"), ElementsAre(0.5, 0.5, 3, 4, 0.5, 3));
  EXPECT_THAT(apply("min"), ElementsAre(1, 2, 3, 4, 5, 2));
  EXPECT_THAT(apply("max"), ElementsAre(2, 4, 3, 4, 10, 6));
  EXPECT_THAT(apply("update"), ElementsAre(2, 4, 3, 4, 10, 2));
}

TEST(Scatter, RepeatedIndicesAddUpAndIntegersDoNotTrap) {
  const Tensor zeros(DType::kFp64, {2});
  const Tensor updates = Tensor::of<double>({3}, {1, 2, 4});
  EXPECT_THAT(
      values(run_one({zeros, ints({3}, {1, 1, 0}), updates}, scatter_by("scatter", 0, "add"))),
      ElementsAre(4, 3));
  EXPECT_THAT(values(run_one({ints({1}, {7}), ints({1}, {0}), ints({1}, {0})},
                             scatter_by("scatter", 0, "div"))),
              ElementsAre(0));
}

TEST(Scatter, RulesC1ToC5) {
  const Tensor data = random_tensor({2, 3}, 0), updates = random_tensor({1, 3}, 0);
  const Tensor one = ints({1}, {1});
  const auto add = [](int64_t axis) { return scatter_by("scatter", axis, "add"); };
  EXPECT_THAT(refusal({data, one, updates}, add(2)),
              HasSubstr("scatter.c1: axis 2 is outside rank 2"));
  EXPECT_THAT(refusal({data, one, updates}, add(1)),
              HasSubstr("scatter.c2: data [2, 3], indices [1] and updates [1, 3] do not fit"));
  EXPECT_THAT(refusal({data, ints({1, 1}, {0}), updates}, add(0)), HasSubstr("scatter.c2"));
  EXPECT_THAT(refusal({data, one, updates}, scatter_by("scatter", 0, "xor")),
              HasSubstr("scatter.c3: mode 'xor'"));
  EXPECT_THAT(refusal({data, one, updates.cast(DType::kFp32)}, add(0)),
              HasSubstr("scatter.c4: data is fp64 and updates fp32"));
  EXPECT_THAT(refusal({data, ints({1}, {2}), updates}, add(0)),
              HasSubstr("scatter.c5: index 2 at position 0 is outside an axis of size 2"));
}

TEST(Scatter, GradientsAgreeWithFiniteDifferences) {
  const Tensor data = random_tensor({2, 4}, 1), updates = random_tensor({2, 3}, 2);
  for (const char* mode : {"add", "sub", "update"}) {
    SCOPED_TRACE(mode);
    expect_gradient({data, ints({3}, {3, 0, 1}), updates}, scatter_by("scatter", 1, mode));
    expect_gradient({data, ints({2, 3}, {3, 0, 1, 2, 1, 0}), updates},
                    scatter_by("scatter_along_axis", 1, mode));
  }
  expect_gradient({data, ints({3}, {3, 3, 3}), updates}, scatter_by("scatter", 1, "add"));
}

TEST(ScatterAlongAxis, WritesElementByElement) {
  const Tensor data = Tensor::of<double>({2, 2}, {1, 2, 3, 4});
  const Tensor updates = Tensor::of<double>({2, 1}, {10, 20});
  EXPECT_THAT(values(run_one({data, ints({2, 1}, {1, 0}), updates},
                             scatter_by("scatter_along_axis", 1, "add"))),
              ElementsAre(1, 12, 23, 4));
  EXPECT_THAT(
      refusal({data, ints({2}, {1, 0}), updates}, scatter_by("scatter_along_axis", 1, "add")),
      HasSubstr("scatter_along_axis.c2"));
}

}  // namespace
}  // namespace anemone
