#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

Tensor apply(const char* op, const std::vector<double>& x) {
  const Tensor in = Tensor::of<double>({static_cast<int64_t>(x.size())}, x);
  return run_one({in}, [&](Builder& b, const auto& v) { return b.unary(op, v[0]); });
}

Tensor apply(const char* op, const Tensor& x, const Tensor& y) {
  return run_one({x, y}, [&](Builder& b, const auto& v) { return b.binary(op, v[0], v[1]); });
}

TEST(Unary, FunctionsHaveTheirTextbookValues) {
  EXPECT_THAT(values(apply("erf", {0.5})), ElementsAre(DoubleNear(0.5204998778130465, 1e-15)));
  EXPECT_THAT(values(apply("exp2", {3, -1})), ElementsAre(8, 0.5));
  EXPECT_THAT(values(apply("sign", {-2, 0, 5})), ElementsAre(-1, 0, 1));
  EXPECT_THAT(values(apply("square", {-3})), ElementsAre(9));
  EXPECT_THAT(values(apply("ceil", {-1.5, 1.5})), ElementsAre(-1, 2));
}

TEST(Unary, RoundGoesToEvenAtHalves) {
  EXPECT_THAT(values(apply("round", {0.5, 1.5, 2.5, -0.5})), ElementsAre(0, 2, 2, 0));
}

TEST(Unary, EpsilonsAreAddedBeforeTheFunction) {
  EXPECT_THAT(values(apply("inverse", {0.0})), ElementsAre(DoubleNear(1e4, 1e-6)));
  EXPECT_THAT(values(apply("rsqrt", {0.0})), ElementsAre(DoubleNear(1e6, 1e-3)));
  EXPECT_TRUE(std::isfinite(apply("log", {0.0}).at(0)));
}

TEST(Unary, GradientsAgreeWithFiniteDifferences) {
  const Tensor small = random_tensor({2, 3}, 1, -0.9, 0.9);
  for (const char* op : {"acos", "asin", "atan", "atanh", "cos", "cosh", "erf", "exp", "exp2",
                         "sin", "sinh", "tan", "tanh", "abs", "square"}) {
    SCOPED_TRACE(op);
    expect_gradient({small}, [&](Builder& b, const auto& v) { return b.unary(op, v[0]); });
  }
  const Tensor positive = random_tensor({2, 3}, 2, 0.5, 2);
  for (const char* op : {"sqrt", "log", "rsqrt", "inverse"}) {
    SCOPED_TRACE(op);
    expect_gradient({positive}, [&](Builder& b, const auto& v) { return b.unary(op, v[0]); });
  }
}

TEST(Clip, KeepsTheRangeAndPassesGradientsInsideIt) {
  const auto clip = [](Builder& b, const std::vector<Value>& v) {
    return b.op("clip", {{"x", v[0]},
                         {"alpha", b.scalar(DType::kFp64, -0.5)},
                         {"beta", b.scalar(DType::kFp64, 0.25)}});
  };
  EXPECT_THAT(values(run_one({Tensor::of<double>({3}, {-1, 0.1, 1})}, clip)),
              ElementsAre(-0.5, 0.1, 0.25));
  expect_gradient({random_tensor({8}, 3)}, clip);
}

TEST(Clip, C1RefusesAnEmptyRange) {
  EXPECT_THAT(error_of([] {
                run_one({random_tensor({1}, 0)}, [](Builder& b, const auto& v) {
                  return b.op("clip", {{"x", v[0]},
                                       {"alpha", b.scalar(DType::kFp64, 1)},
                                       {"beta", b.scalar(DType::kFp64, 1)}});
                });
              }),
              HasSubstr("clip.c1: alpha 1 must be less than beta 1"));
}

// coremltools 9: minimum(maximum(x, alpha), beta) in ios15, refused in ios17.
TEST(Clip, BoundsTheOtherWayRoundGiveBetaBeforeIos17) {
  const auto clip = [](const char* opset) {
    Function f("main", opset);
    Builder b(f);
    const Value x = b.input("x", DType::kFp32, {3});
    b.output("y", b.op("clip", {{"x", x},
                                {"alpha", b.scalar(DType::kFp32, 2)},
                                {"beta", b.scalar(DType::kFp32, 1)}}));
    NamedTensors in;
    in["x"] = Tensor::of<float>({3}, {-1, 1.5, 3});
    const NamedTensors out = evaluate(f, in);
    return values(out.at("y"));
  };
  EXPECT_THAT(clip("ios15"), ElementsAre(1, 1, 1));
  EXPECT_THAT(clip("ios16"), ElementsAre(1, 1, 1));
  EXPECT_THAT(error_of([&] { clip("ios17"); }), HasSubstr("clip.c1"));
}

TEST(Cast, RoundsToHalfAndBackLosesTheDifference) {
  const Tensor x = Tensor::of<float>({2}, {1.0f / 3, 70000.0f});
  const Tensor y = run_one({x}, [](Builder& b, const auto& v) {
    return b.cast(b.cast(v[0], DType::kFp16), DType::kFp32);
  });
  EXPECT_EQ(y.at(0), to_float(to_half(1.0f / 3)));
  EXPECT_EQ(y.at(1), std::numeric_limits<double>::infinity());
}

TEST(Cast, C1RefusesUnknownTypes) {
  EXPECT_THAT(error_of([] {
                run_one({random_tensor({1}, 0)}, [](Builder& b, const auto& v) {
                  return b.op("cast", {{"x", v[0]}, {"dtype", b.text("fp17")}});
                });
              }),
              HasSubstr("cast.c1: 'fp17' is not a type to cast to"));
}

TEST(Binary, BroadcastsLikeNumpy) {
  const Tensor x = Tensor::of<double>({2, 1}, {10, 20});
  const Tensor y = Tensor::of<double>({3}, {1, 2, 3});
  const Tensor sum = apply("add", x, y);
  EXPECT_EQ(sum.shape(), (Shape{2, 3}));
  EXPECT_THAT(values(sum), ElementsAre(11, 12, 13, 21, 22, 23));
}

TEST(Binary, C1RefusesShapesThatDoNotBroadcast) {
  EXPECT_THAT(error_of([] { apply("add", random_tensor({2}, 0), random_tensor({3}, 0)); }),
              HasSubstr("add.c1: shapes [2] and [3] do not broadcast"));
}

TEST(Binary, C2RefusesMixedTypes) {
  EXPECT_THAT(error_of([] { apply("mul", random_tensor({2}, 0), Tensor(DType::kFp32, {2})); }),
              HasSubstr("mul.c2: 'x' is fp64 and 'y' is fp32"));
}

TEST(Binary, DivisionAndModuloFollowTheFloor) {
  const Tensor x = Tensor::of<int32_t>({4}, {7, -7, 7, -7});
  const Tensor y = Tensor::of<int32_t>({4}, {2, 2, -2, -2});
  EXPECT_THAT(values(apply("floor_div", x, y)), ElementsAre(3, -4, -4, 3));
  EXPECT_THAT(values(apply("mod", x, y)), ElementsAre(1, 1, -1, -1));
  EXPECT_THAT(values(apply("mod", Tensor::of<double>({1}, {-7.5}), Tensor::of<double>({1}, {2}))),
              ElementsAre(0.5));
  EXPECT_THAT(values(apply("floor_div", x, Tensor(DType::kInt32, {4}))), ElementsAre(0, 0, 0, 0));
}

TEST(Binary, ComparisonsGiveBools) {
  const Tensor x = Tensor::of<int32_t>({3}, {1, 2, 3}), y = Tensor::of<int32_t>({}, {2});
  EXPECT_EQ(apply("less", x, y).dtype(), DType::kBool);
  EXPECT_THAT(values(apply("less", x, y)), ElementsAre(1, 0, 0));
  EXPECT_THAT(values(apply("greater_equal", x, y)), ElementsAre(0, 1, 1));
  EXPECT_THAT(values(apply("not_equal", x, y)), ElementsAre(1, 0, 1));
}

TEST(Binary, GradientsAgreeWithFiniteDifferencesUnderBroadcasting) {
  for (const char* op : {"add", "sub", "mul", "real_div", "pow", "maximum", "minimum", "mod"}) {
    SCOPED_TRACE(op);
    expect_gradient({random_tensor({2, 1, 3}, 4, 0.5, 2), random_tensor({4, 1}, 5, 0.6, 1.9)},
                    [&](Builder& b, const auto& v) { return b.binary(op, v[0], v[1]); });
  }
}

TEST(Select, PicksByConditionAndSendsGradientsThere) {
  const Tensor condition = Tensor::of<bool>({2, 1}, {true, false});
  const Tensor a = random_tensor({2, 3}, 6), b = random_tensor({3}, 7);
  const auto select = [](Builder& builder, const std::vector<Value>& v) {
    return builder.select(v[0], v[1], v[2]);
  };
  EXPECT_THAT(values(run_one({condition, a, b}, select)),
              ElementsAre(a.at(0), a.at(1), a.at(2), b.at(0), b.at(1), b.at(2)));
  expect_gradient({condition, a, b}, select);
}

TEST(Fill, RepeatsItsValue) {
  const Tensor filled = run_one({}, [](Builder& b, const auto&) {
    return b.fill(DType::kFp32, {2, 2}, 1.5);
  });
  EXPECT_THAT(values(filled), ElementsAre(1.5, 1.5, 1.5, 1.5));
}

}  // namespace
}  // namespace anemone
