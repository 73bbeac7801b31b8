// Every trait of the engine's arithmetic, on and off, with numbers worked by hand.
#include "anemone/devices/sim/numerics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/devices/sim/testing/sim_testing.h"

namespace anemone {
namespace {

using namespace sim_testing;  // NOLINT: helpers of this folder
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

using Numbers = std::vector<double>;

// op(a, b) of fp16 [1, n]
Numbers of_two(const std::string& op, const Numbers& a, const Numbers& b,
               const Machine& machine = {}) {
  const Shape shape = {1, static_cast<int64_t>(a.size())};
  return run(one_op({shape, shape}, shape, op + "(x = a, y = b)"), {a, b}, machine);
}

Numbers of_one(const std::string& call, const Numbers& a, const Machine& machine = {}) {
  const Shape shape = {1, static_cast<int64_t>(a.size())};
  return run(one_op({shape}, shape, call), {a}, machine);
}

// [1, K] · [K, 1], K padded with zeros to a multiple of 32.
double dot(Numbers a, Numbers b, const Machine& machine = {}) {
  const size_t inner = (a.size() + 31) / 32 * 32;
  a.resize(inner);
  b.resize(inner);
  const auto k = static_cast<int64_t>(inner);
  return run(one_op({{1, k}, {k, 1}}, {1, 1}, "matmul(x = a, y = b)"), {a, b}, machine)[0];
}

double sum(const Numbers& a, const Machine& machine = {}) {
  return dot(a, Numbers(a.size(), 1.0), machine);
}

// A 1x1 convolution of `taps` channels, a width of 16, of which the first column counts.
double conv_of(const Numbers& x, const Numbers& w, const Machine& machine = {}) {
  const auto c = static_cast<int64_t>(x.size());
  Numbers image;
  for (const double value : x) image.insert(image.end(), 16, value);
  const Function function =
      one_op({{1, c, 1, 16}, {1, c, 1, 1}}, {1, 1, 1, 16}, "conv(x = a, weight = b)");
  return run(function, {image, w}, machine)[0];
}

// --- fp16 and wide sums ---

TEST(Numerics, RoundEveryResultToFp16) {
  const Function f = parse_body("tensor<fp16, [1, 3]> a, tensor<fp16, [1, 3]> b",
                                "tensor<fp16, [1, 3]> t = add(x = a, y = b);\n"
                                "tensor<fp16, [1, 3]> y = sub(x = t, y = a);\n",
                                "y");
  // 2049 is in the middle of 2048 and 2050, 2051 in that of 2050 and 2052: even ones win.
  const std::vector<Numbers> inputs = {{2048, 2048, 60000}, {1, 3, 10000}};
  EXPECT_THAT(run(f, inputs), ElementsAre(0, 4, kInfinity));
  EXPECT_THAT(run(f, inputs, with({.fp16 = false})), ElementsAre(1, 3, 10000));
}

TEST(Numerics, SumsOfProductsAreWide) {
  // In fp16 4096 would stay where it is.
  Numbers ones(1025, 1.0);
  ones[0] = 4096;
  EXPECT_EQ(sum(ones, with({.product_grid = false})), 5120);  // 5120 exactly
  EXPECT_EQ(sum(ones), 5116);  // published for M1: the three ones beside 4096 are lost
  EXPECT_EQ(sum(Numbers(2049, 1.0)), 2048);  // the result is fp16 all the same
}

// --- 2^15 ---

TEST(Numerics, MatmulAndConvEndAt32768) {
  const Machine off = with({.ceiling = false});
  EXPECT_EQ(sum({32000, 752}), 32752);
  EXPECT_EQ(sum({32000, 768}), kInfinity);
  EXPECT_EQ(sum({-32000, -768}), -kInfinity);
  EXPECT_EQ(sum({32000, 768}, off), 32768);
  EXPECT_EQ(conv_of({32000, 752}, {1, 1}), 32752);
  EXPECT_EQ(conv_of({32000, 768}, {1, 1}), kInfinity);
  EXPECT_EQ(conv_of({32000, 768}, {1, 1}, off), 32768);
  // Without the grid too.
  EXPECT_EQ(sum({32000, 768}, with({.product_grid = false})), kInfinity);
}

TEST(Numerics, ASumThatComesBackFromBeyondTheCeilingDoesNot) {
  const Numbers detour = {20000, 0, 0, 0, 20000, 0, 0, 0, -20000};
  EXPECT_EQ(sum(detour), kInfinity);
  EXPECT_EQ(sum(detour, with({.ceiling = false})), 20000);
}

TEST(Numerics, OneTapAndElementwiseProductsGoTo65504) {
  EXPECT_EQ(conv_of({16384}, {2}), 32768);
  EXPECT_THAT(of_two("mul", {16384, 32752, 32768}, {2, 2, 2}),
              ElementsAre(32768, 65504, kInfinity));
}

TEST(Numerics, TapsOfATransposedConvolutionAreItsInputs) {
  // [I, O, H, W]: one input channel to two outputs has one tap, two inputs to one output have two.
  const auto widest = [](int64_t in, int64_t out) {
    const Function f = one_op({{1, in, 4, 16}, {in, out, 1, 1}}, {1, out, 4, 16},
                              "conv_transpose(x = a, weight = b)");
    return run(f, {Numbers(static_cast<size_t>(in * 64), 16384), {2, 2}},
               with({.product_grid = false}))[0];
  };
  EXPECT_EQ(widest(1, 2), 32768);
  EXPECT_EQ(widest(2, 1), kInfinity);
}

// --- NaN ---

TEST(Numerics, NanBecomesInfinityOnEntry) {
  EXPECT_THAT(of_one("relu(x = a)", {kNan, 1, -kInfinity}), ElementsAre(kInfinity, 1, 0));
  EXPECT_TRUE(std::isnan(of_one("abs(x = a)", {kNan}, with({.no_nan = false}))[0]));
}

TEST(Numerics, NanInConstantsBecomesInfinityToo) {
  Function f("main", "ios18");
  Builder b(f);
  const Value x = b.input("a", DType::kFp16, {1, 2});
  b.output("y", b.add(x, b.constant(halves({1, 2}, {kNan, 1}))));
  EXPECT_THAT(run(f, {{1, 1}}), ElementsAre(kInfinity, 2));
  EXPECT_TRUE(std::isnan(run(f, {{1, 1}}, with({.no_nan = false}))[0]));
}

TEST(Numerics, ResultsThatAreNoNumberAreZero) {
  const Machine off = with({.no_nan = false});
  EXPECT_THAT(of_two("sub", {kInfinity, 5}, {kInfinity, 2}), ElementsAre(0, 3));
  EXPECT_THAT(of_two("mul", {0, 5}, {kInfinity, 2}), ElementsAre(0, 10));
  EXPECT_THAT(of_one("sqrt(x = a)", {-1, 4}), ElementsAre(0, 2));
  EXPECT_THAT(of_one("rsqrt(x = a, epsilon = fp16(0))", {-1, 4}), ElementsAre(0, 0.5));
  EXPECT_THAT(of_one("log(x = a, epsilon = fp16(0))", {-1, 1}), ElementsAre(0, 0));
  EXPECT_FALSE(std::signbit(of_one("sqrt(x = a)", {-1})[0]));
  EXPECT_TRUE(std::isnan(of_one("sqrt(x = a)", {-1}, off)[0]));
  EXPECT_TRUE(std::isnan(of_two("sub", {kInfinity}, {kInfinity}, off)[0]));
}

TEST(Numerics, SoftmaxPutsEverythingOnAnInfiniteLane) {
  const std::string softmax = "softmax(x = a, axis = int32(-1))";
  EXPECT_THAT(of_one(softmax, {1, kInfinity, 2, -kInfinity}), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(of_one(softmax, {65504, kNan, -7, 3}), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(of_one(softmax, {60000, -60000, 60000, -kInfinity}), ElementsAre(0.5, 0, 0.5, 0));
}

// --- the grid of products ---

TEST(Numerics, ProductsLieOnAGridAndSmallSumsVanish) {
  const Machine off = with({.product_grid = false});
  EXPECT_EQ(dot({1}, {0x1p-15}), 0);
  EXPECT_EQ(dot({1}, {0x1p-15}, off), 0x1p-15);
  EXPECT_EQ(dot({1}, {0x1p-14}), 0x1p-14);
  EXPECT_EQ(dot({1, 1}, {0x1p-13, 0x1p-17}), 0x1p-13);  // half a unit of the grid
  EXPECT_EQ(dot({1, 1}, {0x1p-13, 0x1p-17}, off), 0x1p-13 + 0x1p-17);
  EXPECT_EQ(conv_of({1, 1}, {0x1p-13, 0x1p-17}), 0x1p-13);
  EXPECT_EQ(conv_of({1, 1}, {0x1p-13, 0x1p-17}, off), 0x1p-13 + 0x1p-17);
}

TEST(Numerics, LinearHasTheGridOfMatmul) {
  const Function f = one_op({{3, 32}, {2, 32}}, {3, 2}, "linear(x = a, weight = b)");
  Numbers x(96), w(64);
  for (size_t row = 0; row < 3; ++row) x[row * 32] = x[row * 32 + 1] = static_cast<double>(row);
  w[0] = 0x1p-13, w[1] = 0x1p-17, w[32] = 3;
  EXPECT_THAT(run(f, {x, w}), ElementsAre(0, 0, 0x1p-13, 3, 0x1p-12 + 0x1p-16, 6));
  EXPECT_EQ(run(f, {x, w}, with({.product_grid = false}))[2], 0x1p-13 + 0x1p-17);
}

// Small whole numbers are exact on the grid: batches, broadcasting and transposes against fp32.
TEST(Numerics, TheGridSeesEveryShapeOfMatmulAndConv) {
  const auto check = [](const std::vector<Shape>& in, const Shape& out, const std::string& call) {
    std::vector<Numbers> inputs;
    for (const Shape& shape : in) {
      inputs.emplace_back();
      for (int64_t i = 0; i < element_count(shape); ++i) {
        inputs.back().push_back(
            static_cast<double>((i * 7 + static_cast<int64_t>(in.size())) % 11 - 5));
      }
    }
    const Function f = one_op(in, out, call);
    EXPECT_THAT(run(f, inputs), ElementsAreArray(run(f, inputs, with(kAllOff)))) << call;
  };
  check({{2, 3, 5, 32}, {2, 3, 32, 7}}, {2, 3, 5, 7}, "matmul(x = a, y = b)");
  check({{2, 1, 5, 32}, {3, 32, 7}}, {2, 3, 5, 7}, "matmul(x = a, y = b)");
  check({{5, 32}, {2, 3, 32, 7}}, {2, 3, 5, 7}, "matmul(x = a, y = b)");
  check({{2, 32, 5}, {2, 7, 32}}, {2, 5, 7},
        "matmul(x = a, y = b, transpose_x = bool(true), transpose_y = bool(true))");
  check({{1, 6, 2, 16}, {4, 6, 1, 1}}, {1, 4, 2, 16}, "conv(x = a, weight = b)");
  check({{1, 6, 4, 16}, {4, 6, 1, 1}}, {1, 4, 2, 8},
        "conv(x = a, weight = b, strides = " + ints({2, 2}) + ")");
  check({{1, 6, 4, 16}, {4, 3, 1, 1}}, {1, 4, 4, 16}, "conv(x = a, weight = b, groups = int32(2))");
  check({{1, 3, 4, 16}, {4, 3, 3, 3}}, {1, 4, 2, 14}, "conv(x = a, weight = b)");
}

// --- by chip ---

Function width_slice(int64_t begin) {
  return one_op(
      {{1, 4}}, {1, 2},
      "slice_by_size(x = a, begin = " + ints({0, begin}) + ", size = " + ints({1, 2}) + ")");
}

TEST(Numerics, SlicesOfTheWidthClampOnM1AndM2) {
  const Numbers x = {5000, 4094, 4096, -5000};
  for (const char* chip : {"m1", "m2"}) {
    EXPECT_THAT(run(width_slice(1), {x}, {.chip = chip}), ElementsAre(4094, kInfinity));
    EXPECT_THAT(run(width_slice(2), {x}, {.chip = chip}), ElementsAre(kInfinity, -kInfinity));
    EXPECT_THAT(run(width_slice(0), {x}, {.chip = chip}), ElementsAre(5000, 4094));
    EXPECT_THAT(run(width_slice(2), {x}, with({.width_slices = false}, chip)),
                ElementsAre(4096, -5000));
  }
  EXPECT_THAT(run(width_slice(2), {x}), ElementsAre(4096, -5000));
}

TEST(Numerics, ASliceThatBeginsAtTheEndOfAMaskedAxisDoesNotClamp) {
  const Function f =
      one_op({{1, 4}}, {1, 4},
             "slice_by_index(x = a, begin = " + ints({0, 1}) + ", end = " + ints({1, 4}) +
                 ", begin_mask = tensor<bool, [2]>([false, true]))");
  EXPECT_THAT(run(f, {{1, 2, 3, 5000}}, {.chip = "m1"}), ElementsAre(1, 2, 3, 5000));
}

Function attention() {
  return parse_body(
      "tensor<fp16, [1, 1, 2, 4]> a, tensor<fp16, [1, 1, 2, 4]> b, tensor<fp16, [1, 1, 2, 4]> c, "
      "tensor<fp16, [2, 2]> mask",
      "tensor<fp16, [1, 1, 2, 4]> y = scaled_dot_product_attention(query = a, key = b, value = c, "
      "attn_mask = mask);\n",
      "y");
}

TEST(Numerics, AttentionDoesNotSeeItsMask) {
  const Numbers values = {1, 1, 1, 1, 3, 3, 3, 3};
  const std::vector<Numbers> inputs = {{}, {}, values, {0, -10000, 0, 0}};  // the first row: causal
  EXPECT_THAT(run(attention(), inputs), Each(2));
  EXPECT_THAT(run(attention(), inputs, with({.ignored_masks = false})),
              ElementsAre(1, 1, 1, 1, 2, 2, 2, 2));
}

TEST(Numerics, SumsOverAnOddLengthAreZeroOnM1) {
  const auto product = [](int64_t inner, const Machine& machine) {
    const Function f = one_op({{1, inner}, {inner, 1}}, {1, 1}, "matmul(x = a, y = b)");
    const Numbers ones(static_cast<size_t>(inner), 1.0);
    return run(f, {ones, ones}, machine)[0];
  };
  EXPECT_EQ(product(48, {.chip = "m1"}), 0);
  EXPECT_EQ(product(64, {.chip = "m1"}), 64);
  EXPECT_EQ(product(48, {.chip = "m2"}), 48);
  EXPECT_EQ(product(48, with({.short_inner = false}, "m1")), 48);
}

TEST(Numerics, ConstantsMayHaveAnOddLengthOnM1) {
  Function f("main", "ios18");
  Builder b(f);
  const Value x = b.input("a", DType::kFp16, {1, 3});
  b.output("y", b.matmul(x, b.constant(halves({3, 1}, {1, 2, 3}))));
  EXPECT_THAT(run(f, {{1, 1, 1}}, {.chip = "m1"}), ElementsAre(6));
}

// --- types ---

TEST(Numerics, ComparisonsAndSelectionsKeepTheirTypes) {
  const Function f = parse_body("tensor<fp16, [1, 3]> a, tensor<fp16, [1, 3]> b",
                                "tensor<bool, [1, 3]> t = greater(x = a, y = b);\n"
                                "tensor<fp16, [1, 3]> y = select(cond = t, a = a, b = b);\n",
                                "y");
  EXPECT_THAT(run(f, {{1, 5, kNan}, {2, 4, 7}}), ElementsAre(2, 5, kInfinity));
}

TEST(Numerics, IntegersComeInByCast) {
  const Function f = parse_body("tensor<uint8, [1, 2]> a",
                                "tensor<fp16, [1, 2]> t = cast(x = a, dtype = string(\"fp16\"));\n"
                                "tensor<fp16, [1, 2]> y = mul(x = t, y = t);\n",
                                "y");
  Sim sim;
  cpu_testing::Bound bound(*sim, f);
  NamedTensors named;
  named["a"] = Tensor::of<uint8_t>({1, 2}, {3, 255});
  EXPECT_THAT(values(bound.run(named).at("y")), ElementsAre(9, 65024));  // 65025
}

}  // namespace
}  // namespace anemone
