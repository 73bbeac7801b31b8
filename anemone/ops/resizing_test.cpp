#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

using Numbers = std::vector<double>;

// Points of a line 0, 1: [1, 1, 2] to [1, 1, size].
BuildOne to_width(const char* op, int64_t size, const char* mode) {
  return [=](Builder& b, const auto& v) {
    return b.op(op, {{"x", v[0]},
                     {"target_size_height", b.integer(1)},
                     {"target_size_width", b.integer(size)},
                     {"sampling_mode", b.text(mode)}});
  };
}
BuildOne to_size(int64_t height, int64_t width) {
  return [=](Builder& b, const auto& v) {
    return b.op("resize_nearest_neighbor", {{"x", v[0]},
                                            {"target_size_height", b.integer(height)},
                                            {"target_size_width", b.integer(width)}});
  };
}
BuildOne upsample(const char* op, double height, double width,
                  std::vector<std::pair<std::string, bool>> flags = {}) {
  return [=](Builder& b, const auto& v) {
    std::vector<Argument> arguments = {{"x", v[0]},
                                       {"scale_factor_height", b.scalar(DType::kFp32, height)},
                                       {"scale_factor_width", b.scalar(DType::kFp32, width)}};
    for (const auto& [name, flag] : flags) arguments.push_back({name, b.boolean(flag)});
    return b.op(op, std::move(arguments));
  };
}
BuildOne resize(std::vector<int64_t> shape, int64_t dims, const char* interpolation,
                const char* sampling = "DEFAULT") {
  return [=](Builder& b, const auto& v) {
    return b.op("resize", {{"x", v[0]},
                           {"shape", b.integers(shape)},
                           {"resized_dims", b.integer(dims)},
                           {"interpolation_mode", b.text(interpolation)},
                           {"sampling_mode", b.text(sampling)}});
  };
}

const Tensor kLine = Tensor::of<double>({1, 1, 2}, {0, 1});

void expect_points(const BuildOne& build, const Numbers& points) {
  EXPECT_THAT(values(run_one({kLine}, build)), Pointwise(DoubleNear(1e-12), points));
}

// The grid points of the facts sheet, which Core ML's documentation gives for an axis of two.
TEST(ResizeBilinear, SamplesWhereTheModeSays) {
  const auto five = [](const char* mode) { return to_width("resize_bilinear", 5, mode); };
  expect_points(five("UNALIGN_CORNERS"), {0, 0.1, 0.5, 0.9, 1});
  expect_points(five("STRICT_ALIGN_CORNERS"), {0, 0.25, 0.5, 0.75, 1});
  expect_points(five("ALIGN_CORNERS"), {0, 0.25, 0.5, 0.75, 1});
  expect_points(five("DEFAULT"), {0, 0.4, 0.8, 1, 1});
  expect_points(five("OFFSET_CORNERS"), {0.1, 0.3, 0.5, 0.7, 0.9});
  const auto one = [](const char* mode) { return to_width("resize_bilinear", 1, mode); };
  expect_points(one("ALIGN_CORNERS"), {0.5});
  expect_points(one("STRICT_ALIGN_CORNERS"), {0});
  expect_points(one("DEFAULT"), {0});
  expect_points(one("UNALIGN_CORNERS"), {0.5});
  expect_points(one("OFFSET_CORNERS"), {0.5});
}

TEST(ResizeBilinear, GoesBetweenFourPixels) {
  const Tensor x = Tensor::of<double>({1, 2, 2}, {0, 2, 4, 10});
  const auto both = [](Builder& b, const auto& v) {
    return b.op("resize_bilinear", {{"x", v[0]},
                                    {"target_size_height", b.integer(3)},
                                    {"target_size_width", b.integer(3)},
                                    {"sampling_mode", b.text("ALIGN_CORNERS")}});
  };
  EXPECT_THAT(values(run_one({x}, both)), ElementsAre(0, 1, 2, 2, 4, 6, 4, 7, 10));
}

TEST(UpsampleBilinear, AlignsCornersByDefault) {
  expect_points(upsample("upsample_bilinear", 1, 2.6), {0, 0.25, 0.5, 0.75, 1});
  expect_points(upsample("upsample_bilinear", 1, 2.6, {{"align_corners", false}}),
                {0, 0.1, 0.5, 0.9, 1});
  expect_points(upsample("upsample_bilinear", 1, 3,
                         {{"align_corners", false}, {"half_pixel_centers", false}}),
                {0, 1.0 / 3, 2.0 / 3, 1, 1, 1});
}

// Core ML's sizes: floor(3 * 0.67) = 2 and floor(1 * 3.17) = 3.
TEST(UpsampleNearestNeighbor, RepeatsPixelsAndTakesFractions) {
  const Tensor x = Tensor::of<double>({1, 1, 3}, {1.5, -2.5, 3.5});
  const auto apply = [&](double height, double width) {
    return run_one({x}, upsample("upsample_nearest_neighbor", height, width));
  };
  EXPECT_THAT(values(apply(1, 2)), ElementsAre(1.5, 1.5, -2.5, -2.5, 3.5, 3.5));
  const Tensor smaller = apply(3.17, 0.67);
  EXPECT_EQ(smaller.shape(), (Shape{1, 3, 2}));
  EXPECT_THAT(values(smaller), ElementsAre(1.5, -2.5, 1.5, -2.5, 1.5, -2.5));
}

// floor((i + 0.5) * 3 / 5) = 0, 0, 1, 2, 2
TEST(ResizeNearestNeighbor, TakesThePixelUnderTheCentre) {
  const Tensor x = Tensor::of<double>({1, 1, 3}, {10, 20, 30});
  EXPECT_THAT(values(run_one({x}, to_size(1, 5))), ElementsAre(10, 10, 20, 30, 30));
  EXPECT_THAT(values(run_one({x}, to_size(1, 2))), ElementsAre(10, 30));
}

TEST(Resize, TakesTheLastSizesAndKeepsWhere0Is) {
  const Tensor x = Tensor::of<double>({1, 2, 1}, {-6.5, 9});
  const Tensor y = run_one({x}, resize({7, 3, 2}, 2, "NEAREST_NEIGHBOR"));
  EXPECT_EQ(y.shape(), (Shape{1, 3, 2}));
  EXPECT_THAT(values(y), ElementsAre(-6.5, -6.5, 9, 9, 9, 9));
  EXPECT_EQ(run_one({x}, resize({0, 2}, 2, "LINEAR")).shape(), (Shape{1, 2, 2}));
  expect_points(resize({5}, 1, "LINEAR"), {0, 0.4, 0.8, 1, 1});
  const Tensor whole = Tensor::of<int32_t>({2}, {0, 10});
  EXPECT_THAT(values(run_one({whole}, resize({5}, 1, "LINEAR", "ALIGN_CORNERS"))),
              ElementsAre(0, 2, 5, 7, 10));  // 2.5 and 7.5 truncated
}

TEST(Resizing, RulesOfImages) {
  const Tensor flat = random_tensor({2, 2}, 0);
  EXPECT_THAT(refusal({flat}, to_size(1, 1)),
              HasSubstr("resize_nearest_neighbor.c1: x [2, 2] has no three axes"));
  EXPECT_THAT(refusal({kLine}, to_size(0, 1)), HasSubstr("resize_nearest_neighbor.c2"));
  EXPECT_THAT(refusal({kLine}, upsample("upsample_bilinear", 1, 0.25)),
              HasSubstr("upsample_bilinear.c2: 'scale_factor_width' 0.25 does not make"));
  EXPECT_THAT(refusal({kLine}, upsample("upsample_nearest_neighbor", 1, 1e30)),
              HasSubstr("upsample_nearest_neighbor.c2"));
  EXPECT_THAT(refusal({kLine}, upsample("upsample_bilinear", 1, 2,
                                        {{"align_corners", true}, {"half_pixel_centers", true}})),
              HasSubstr("upsample_bilinear.c3"));
  EXPECT_THAT(refusal({kLine}, to_width("resize_bilinear", 2, "CUBIC")),
              HasSubstr("resize_bilinear.c3: sampling_mode 'CUBIC'"));
}

TEST(Resize, RulesC1ToC4) {
  EXPECT_THAT(refusal({kLine}, resize({2, 2}, 3, "LINEAR")),
              HasSubstr("resize.c1: 3 of 2 sizes do not resize x [1, 1, 2]"));
  EXPECT_THAT(refusal({kLine}, resize({-1}, 1, "LINEAR")), HasSubstr("resize.c2: size -1"));
  EXPECT_THAT(refusal({kLine}, resize({2}, 1, "CUBIC")),
              HasSubstr("resize.c3: interpolation_mode 'CUBIC'"));
  EXPECT_THAT(refusal({kLine}, resize({2}, 1, "LINEAR", "MIDDLE")),
              HasSubstr("resize.c4: sampling_mode 'MIDDLE'"));
}

TEST(Resizing, ALegalSizeAsksForNoMoreThanItsResult) {
  // 2^31-1 by 2^31-1 are more than 2^40 elements: refused before anything is made.
  EXPECT_THAT(refusal({kLine}, to_size(2147483647, 2147483647)), HasSubstr("any.c3"));
}

TEST(Resizing, GradientsAgreeWithFiniteDifferences) {
  const Tensor x = random_tensor({2, 3, 4}, 1);
  for (const char* mode : {"DEFAULT", "ALIGN_CORNERS", "UNALIGN_CORNERS", "OFFSET_CORNERS"}) {
    SCOPED_TRACE(mode);
    expect_gradient({x}, resize({5, 3}, 2, "LINEAR", mode));
    expect_gradient({x}, resize({3, 4}, 2, "LINEAR", mode));
    expect_gradient({x}, resize({3, 2, 7}, 3, "NEAREST_NEIGHBOR", mode));
  }
  expect_gradient({x}, upsample("upsample_nearest_neighbor", 2, 1.5));
  expect_gradient({x}, upsample("upsample_bilinear", 2, 1.5));
  expect_gradient({x}, to_size(5, 2));
  expect_gradient({x}, to_width("resize_bilinear", 7, "STRICT_ALIGN_CORNERS"));
}

}  // namespace
}  // namespace anemone
