#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/ops/verify.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Tensor iota(const Shape& shape) {
  Tensor tensor(DType::kFp64, shape);
  for (int64_t i = 0; i < tensor.size(); ++i) tensor.view().set(i, static_cast<double>(i));
  return tensor;
}

// One op on x with one list of integers.
BuildOne with_list(const char* op, const char* parameter, std::vector<int64_t> numbers) {
  return [=](Builder& b, const auto& v) {
    return b.op(op, {{"x", v[0]}, {parameter, b.integers(numbers)}});
  };
}

BuildOne reshape(std::vector<int64_t> shape) { return with_list("reshape", "shape", shape); }
BuildOne transpose(std::vector<int64_t> perm) { return with_list("transpose", "perm", perm); }
BuildOne expand(std::vector<int64_t> axes) { return with_list("expand_dims", "axes", axes); }
BuildOne squeeze(std::vector<int64_t> axes) { return with_list("squeeze", "axes", axes); }
BuildOne flatten(int64_t axis) {
  return [=](Builder& b, const auto& v) {
    return b.op("flatten2d", {{"x", v[0]}, {"axis", b.integer(axis)}});
  };
}

TEST(Reshape, MinusOneIsComputedAndZeroCopied) {
  EXPECT_EQ(run_one({iota({2, 3, 4})}, reshape({0, -1, 2})).shape(), (Shape{2, 6, 2}));
  EXPECT_EQ(run_one({iota({1, 1})}, reshape({})).shape(), Shape{});
  EXPECT_THAT(values(run_one({iota({2, 2})}, reshape({4}))), ElementsAre(0, 1, 2, 3));
}

TEST(Reshape, RulesC1ToC3) {
  const Tensor x = iota({2, 3});
  EXPECT_THAT(refusal({x}, reshape({-2, 3})),
              HasSubstr("reshape.c1: size -2 is neither positive, 0 nor -1"));
  EXPECT_THAT(refusal({x}, reshape({-1, -1})), HasSubstr("reshape.c1: more than one size is -1"));
  EXPECT_THAT(refusal({x}, reshape({0, 3, 1})),
              HasSubstr("reshape.c2: the size 0 at index 0 copies x's"));
  EXPECT_THAT(refusal({x}, reshape({4})),
              HasSubstr("reshape.c3: 6 elements of [2, 3] do not fit shape [4]"));
  EXPECT_THAT(refusal({x}, reshape({-1, 4})), HasSubstr("reshape.c3"));
  EXPECT_THAT(refusal({x}, reshape({2147483647, 2147483647, 2147483647, -1})),
              HasSubstr("reshape.c3"));
}

// What coremltools 9 infers for (2, 3, 4), by opset.
TEST(Reshape, ZeroCopiesASizeFromTheRightSinceIos17) {
  const auto shape_of = [](const char* opset, const std::vector<int64_t>& sizes) {
    Function f("main", opset);
    Builder b(f);
    const Value x = b.input("x", DType::kFp32, {2, 3, 4});
    return b.op("reshape", {{"x", x}, {"shape", b.integers(sizes)}})->type.shape;
  };
  for (const char* opset : {"ios17", "ios18", "CoreML7", ""}) {
    EXPECT_EQ(shape_of(opset, {0, -1}), (Shape{3, 8}));
    EXPECT_EQ(shape_of(opset, {-1, 0}), (Shape{6, 4}));
    EXPECT_EQ(shape_of(opset, {1, 0, 0, -1}), (Shape{1, 2, 3, 4}));
    EXPECT_EQ(shape_of(opset, {2, 0, -1}), (Shape{2, 3, 4}));
  }
  for (const char* opset : {"ios15", "ios16", "CoreML6"}) {
    EXPECT_EQ(shape_of(opset, {0, 0, 4}), (Shape{2, 3, 4}));
    EXPECT_THAT(error_of([&] {
                  shape_of(opset, {0, -1});
                }),
                HasSubstr("reshape.c2: a size 0 copies x's, but x has rank 3 and the shape 2"));
  }
}

TEST(Transpose, MovesAxes) {
  const Tensor y = run_one({iota({2, 3})}, transpose({1, -2}));
  EXPECT_EQ(y.shape(), (Shape{3, 2}));
  EXPECT_THAT(values(y), ElementsAre(0, 3, 1, 4, 2, 5));
  // y[c][a][b] = x[a][b][c].
  EXPECT_THAT(values(run_one({iota({2, 2, 2})}, transpose({2, 0, 1}))),
              ElementsAre(0, 2, 4, 6, 1, 3, 5, 7));
}

TEST(Transpose, C1RefusesWhatIsNoPermutation) {
  EXPECT_THAT(refusal({iota({2, 3})}, transpose({0})),
              HasSubstr("transpose.c1: 1 axes are given for rank 2"));
  EXPECT_THAT(refusal({iota({2, 3})}, transpose({0, 0})),
              HasSubstr("transpose.c1: axis 0 is given twice"));
  EXPECT_THAT(refusal({iota({2, 3})}, transpose({0, 2})),
              HasSubstr("transpose.c1: axis 2 is outside rank 2"));
}

TEST(Movement, KeepsElementsOfEveryType) {
  for (DType dtype : {DType::kBool, DType::kInt8, DType::kUInt16, DType::kFp16, DType::kBf16,
                      DType::kInt32, DType::kFp64}) {
    const Tensor x = Tensor::of<double>({2, 2}, {1, 0, 1, 1}).cast(dtype);
    const Tensor y = run_one({x}, transpose({1, 0}));
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_THAT(values(y), ElementsAre(1, 1, 0, 1));
  }
}

TEST(ExpandDims, AxesAreTheOutputs) {
  EXPECT_EQ(run_one({iota({2, 3})}, expand({0, -1})).shape(), (Shape{1, 2, 3, 1}));
  EXPECT_EQ(run_one({iota({})}, expand({0})).shape(), Shape{1});
  EXPECT_THAT(refusal({iota({2})}, expand({2})),
              HasSubstr("expand_dims.c1: axis 2 is outside rank 2"));
  EXPECT_THAT(refusal({iota({2})}, expand({0, 0})),
              HasSubstr("expand_dims.c1: axis 0 is given twice"));
}

TEST(Squeeze, DropsOnes) {
  EXPECT_EQ(run_one({iota({1, 2, 1})}, squeeze({-1})).shape(), (Shape{1, 2}));
  const auto all = [](Builder& b, const auto& v) { return b.unary("squeeze", v[0]); };
  EXPECT_EQ(run_one({iota({1, 2, 1})}, all).shape(), Shape{2});
  EXPECT_EQ(run_one({iota({1, 1})}, all).shape(), Shape{});
  EXPECT_THAT(refusal({iota({2})}, squeeze({1})),
              HasSubstr("squeeze.c1: axis 1 is outside rank 1"));
  EXPECT_THAT(refusal({iota({2, 1})}, squeeze({0})),
              HasSubstr("squeeze.c2: axis 0 of [2, 1] is not of size 1"));
}

TEST(Flatten2d, MultipliesBothSidesOfTheAxis) {
  EXPECT_EQ(run_one({iota({2, 3, 4})}, flatten(2)).shape(), (Shape{6, 4}));
  EXPECT_EQ(run_one({iota({2, 3, 4})}, flatten(-2)).shape(), (Shape{2, 12}));
  EXPECT_EQ(run_one({iota({2, 3, 4})}, flatten(0)).shape(), (Shape{1, 24}));
  EXPECT_THAT(refusal({iota({2})}, flatten(2)),
              HasSubstr("flatten2d.c1: axis 2 is outside rank 1"));
}

TEST(Shape, GradientsAgreeWithFiniteDifferences) {
  const Tensor x = random_tensor({2, 1, 3}, 1);
  for (const BuildOne& build :
       {reshape({3, 2}), transpose({2, 0, 1}), expand({1}), squeeze({1}), flatten(1)}) {
    expect_gradient({x}, build);
  }
}

TEST(Sizes, UnknownAndEmptyAndHugeOnesAreRefused) {
  const auto type_of = [](Shape shape, DType dtype = DType::kFp32) {
    return error_of([&] {
      Function function("main", "ios18");
      Builder b(function);
      b.op("squeeze", {{"x", b.input("x", dtype, shape)}});
    });
  };
  EXPECT_THAT(type_of({2, kUnknownSize}), HasSubstr("any.c1: tensor<fp32, [2, ?]> has an unknown"));
  EXPECT_THAT(type_of({0}), HasSubstr("any.c2: tensor<fp32, [0]> has a size outside 1 to 2^31-1"));
  EXPECT_THAT(type_of({int64_t{1} << 31}), HasSubstr("any.c2"));
  EXPECT_THAT(type_of({1 << 30, 1 << 30, 1 << 30}), HasSubstr("any.c3"));
  EXPECT_THAT(type_of({4}, DType::kInt4), HasSubstr("any.c4"));
  const std::vector<int64_t> many = {2147483647, 2147483647};
  EXPECT_THAT(refusal({iota({1, 1})}, with_list("tile", "reps", many)), HasSubstr("any.c3"));
}

TEST(Verify, NamesUnknownAndMissingParameters) {
  const Tensor x = iota({2});
  EXPECT_THAT(refusal({x}, with_list("reshape", "axes", {2})),
              HasSubstr("reshape has no parameter 'axes'"));
  EXPECT_THAT(refusal({x}, [](Builder& b, const auto& v) { return b.unary("transpose", v[0]); }),
              HasSubstr("transpose needs parameter 'perm'"));
  EXPECT_THAT(refusal({x, Tensor::of<int32_t>({1}, {2})},
                      [](Builder& b, const auto& v) {
                        return b.op("reshape", {{"x", v[0]}, {"shape", v[1]}});
                      }),
              HasSubstr("reshape: parameter 'shape' must be a constant"));
}

// MIL's example: sizes 0 to 2 of [2, 3, 4] and those from 1 on of [1, 5, 6].
TEST(ReshapeLike, PutsSizesOfReferencesTogether) {
  const auto like = [](const char* begins, const char* ends, const char* masks) {
    return run_mil(std::string("func main<ios16>(tensor<fp32, [180]> x, tensor<fp32, [2, 3, 4]> a, "
                               "tensor<int32, [1, 5, 6]> b) { tensor<fp32, [2, 3, 5, 6]> y = "
                               "reshape_like(x = x, ref_tensors = (a, b), begins = ") +
                       begins + ", ends = " + ends + ", end_masks = " + masks + "); } -> (y);",
                   {Tensor(DType::kFp32, {180}), Tensor(DType::kFp32, {2, 3, 4}),
                    Tensor(DType::kInt32, {1, 5, 6})})[0]
        .shape();
  };
  const char* masks = "(bool(false), bool(true))";
  EXPECT_EQ(like("(int32(0), int32(1))", "(int32(2), int32(0))", masks), (Shape{2, 3, 5, 6}));
  EXPECT_EQ(like("(int32(-3), int32(-2))", "(int32(-1), int32(0))", masks), (Shape{2, 3, 5, 6}));
  EXPECT_THAT(error_of([&] { like("(int32(0), b)", "(int32(2), int32(0))", masks); }),
              HasSubstr("reshape_like.c1: member 1 of 'begins' is not a constant number"));
  EXPECT_THAT(error_of([&] { like("(int32(0))", "(int32(2), int32(0))", masks); }),
              HasSubstr("reshape_like.c2: 'begins' has 1 members for 2 references"));
  EXPECT_THAT(
      error_of([&] { like("(int32(0), int32(0))", "(int32(3), int32(0))", masks); }),
      HasSubstr("reshape_like.c3: 180 elements of [180] do not fit shape [2, 3, 4, 1, 5, 6]"));
}

TEST(ReshapeLike, GradientIsReshapedBack) {
  expect_gradient({random_tensor({6}, 1)}, [](Builder& b, const auto& v) {
    const Value like = b.fill(DType::kFp32, {2, 3}, 0);
    return b.op("reshape_like", {{"x", v[0]},
                                 {"ref_tensors", std::vector<Operand>{like}},
                                 {"begins", std::vector<Operand>{b.integer(0)}},
                                 {"ends", std::vector<Operand>{b.integer(2)}},
                                 {"end_masks", std::vector<Operand>{b.boolean(false)}}});
  });
}

TEST(FillLike, HasTheShapeOfItsReferenceAndTheTypeOfItsValue) {
  const auto fill = [](Builder& b, const auto& v) {
    return b.op("fill_like", {{"ref_tensor", v[0]}, {"value", b.integer(3)}});
  };
  const Tensor y = run_one({random_tensor({1, 2}, 0)}, fill);
  EXPECT_EQ(y.dtype(), DType::kInt32);
  EXPECT_THAT(values(y), ElementsAre(3, 3));
}

}  // namespace
}  // namespace anemone
