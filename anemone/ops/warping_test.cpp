#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

using Numbers = std::vector<double>;

const Tensor kFour = Tensor::of<float>({1, 1, 2, 2}, {11, 22, 33, 44});

Tensor sixteen() {
  Tensor x(DType::kFp32, {1, 1, 4, 4});
  for (int64_t i = 0; i < 16; ++i) x.view().set(i, static_cast<double>(i + 1));
  return x;
}

Tensor floats(const Shape& shape, const std::vector<float>& numbers) {
  return Tensor::of<float>(shape, numbers);
}

// Crops of `sixteen` with boxes (ios17 on).
Tensor crop(const std::string& out, const std::vector<float>& boxes, const std::string& more) {
  const auto count = static_cast<int64_t>(boxes.size()) / 4;
  const std::string type = "tensor<fp32, [" + std::to_string(count) + ", 4]>";
  std::string zeros = "0";
  for (int64_t i = 1; i < count; ++i) zeros += ", 0";
  return std::move(run_mil("func main<ios17>(tensor<fp32, [1, 1, 4, 4]> x, " + type +
                               " boxes) { tensor<fp32, [" + std::to_string(count) + ", 1, " + out +
                               "]> y = crop_resize(x = x, boxes = boxes, box_indices = "
                               "tensor<int32, [" +
                               std::to_string(count) + "]>([" + zeros + "])" + more +
                               "); } -> (y);",
                           {sixteen(), floats({count, 4}, boxes)})[0]);
}

const std::string kTwoByTwo = ", target_height = int32(2), target_width = int32(2)";
const std::string kAligned = ", sampling_mode = string(\"ALIGN_CORNERS\")";

TEST(CropResize, SamplesABoxFromCornerToCorner) {
  EXPECT_THAT(values(crop("2, 2", {1, 1, 2, 2}, kTwoByTwo + kAligned)), ElementsAre(6, 7, 10, 11));
  EXPECT_THAT(values(crop("2, 2", {2, 2, 1, 1}, kTwoByTwo + kAligned)), ElementsAre(11, 10, 7, 6));
  EXPECT_THAT(values(crop("1, 1", {1, 1, 2, 2}, kAligned)), ElementsAre(8.5));
  EXPECT_THAT(values(crop("2, 2", {1.5, 2.5, 1, 1},
                          kTwoByTwo + kAligned +
                              ", box_coordinate_mode = "
                              "string(\"CENTER_SIZE_WIDTH_FIRST\")")),
              ElementsAre(10, 11, 14, 15));
}

// Core ML's example: points off the image, however near, are the padding value.
TEST(CropResize, PadsOutsideOfTheImage) {
  const Tensor y =
      crop("2, 2", {0.1f, 0.3f, 1.3f, 1, 0, 0.4f, 0.6f, 0.7f},
           kTwoByTwo + kAligned + ", normalized_coordinates = bool(true), pad_value = fp32(-1)");
  EXPECT_THAT(values(y),
              Pointwise(DoubleNear(1e-5), Numbers{3.1, 5.2, -1, -1, 2.2, 3.1, 9.4, 10.3}));
}

TEST(CropResize, TakesRoisUpToIos16) {
  const auto with = [](const std::string& roi, const std::string& out,
                       const std::vector<float>& box) {
    const Tensor x = floats({2, 1, 1, 2}, {1, 2, 3, 4});
    return values(run_mil("func main<ios16>(tensor<fp32, [2, 1, 1, 2]> x, tensor<fp32, [1, 1, " +
                              roi + ", 1, 1]> roi) { tensor<fp32, " + out +
                              "> y = crop_resize(x = x, roi = roi, target_width = int32(2), "
                              "sampling_mode = string(\"ALIGN_CORNERS\")); } -> (y);",
                          {x, floats({1, 1, static_cast<int64_t>(box.size()), 1, 1}, box)})[0]);
  };
  EXPECT_THAT(with("4", "[1, 2, 1, 1, 2]", {0, 0, 0, 1}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(with("5", "[1, 1, 1, 1, 2]", {1, 0, 1, 0, 0}), ElementsAre(4, 3));
  EXPECT_THAT(error_of([&] {
                with("5", "[1, 1, 1, 1, 2]", {2, 0, 1, 0, 0});
              }),
              HasSubstr("crop_resize.c7: image 2 is not one of 2"));
}

TEST(CropResize, RulesC1ToC6) {
  const auto refused = [](const std::string& x, const std::string& boxes, const std::string& more) {
    return error_of([&] {
      run_mil("func main<ios17>(tensor<fp32, " + x + "> x, tensor<fp32, " + boxes +
              "> boxes) { tensor<fp32, [1, 1, 1, 1]> y = crop_resize(x = x" + more +
              "); } -> (y);");
    });
  };
  const std::string image = "[1, 1, 2, 2]", given = ", boxes = boxes";
  EXPECT_THAT(refused("[1, 2, 2]", "[1, 4]", given), HasSubstr("crop_resize.c1"));
  EXPECT_THAT(refused(image, "[1, 4]", given + ", target_height = int32(0)"),
              HasSubstr("crop_resize.c2"));
  EXPECT_THAT(refused(image, "[1, 4]", given + ", box_coordinate_mode = string(\"CORNERS\")"),
              HasSubstr("crop_resize.c3"));
  EXPECT_THAT(refused(image, "[1, 4]", ", roi = boxes"), HasSubstr("crop_resize.c4"));
  EXPECT_THAT(refused(image, "[1, 5]", given), HasSubstr("crop_resize.c5: boxes [1, 5]"));
  EXPECT_THAT(refused(image, "[2, 4]", given),
              HasSubstr("crop_resize.c5: 2 boxes without indices for 1 images"));
  EXPECT_THAT(refused(image, "[1, 4]", given + ", sampling_mode = string(\"CUBIC\")"),
              HasSubstr("crop_resize.c6"));
}

// Core ML's own example of each padding (its tests of resample).
Numbers resample(const char* sampling, const char* padding, const char* value, const char* units,
                 const char* align) {
  const std::string text =
      std::string(
          "func main<ios17>(tensor<fp32, [1, 1, 2, 2]> x, tensor<fp32, [1, 2, 2, 2]> c) { "
          "tensor<fp32, [1, 1, 2, 2]> y = resample(x = x, coordinates = c, sampling_mode = "
          "string(\"") +
      sampling + "\"), padding_mode = string(\"" + padding + "\"), padding_value = fp32(" + value +
      "), coordinates_mode = string(\"" + units + "\"), align_corners = bool(" + align +
      ")); } -> (y);";
  const Tensor points = floats({1, 2, 2, 2}, {-1, -2, -3.7f, -1, 0, 0, 3.5f, 1.2f});
  return values(run_mil(text, {kFour, points})[0]);
}

TEST(Resample, HasFourBordersAndThreeUnits) {
  const auto near = [](const Numbers& want) { return Pointwise(DoubleNear(1e-5), want); };
  EXPECT_THAT(resample("bilinear", "constant", "6.17", "normalized_minus_one_to_one", "true"),
              near({8.585, 6.17, 27.5, 6.17}));
  EXPECT_THAT(resample("nearest", "border", "-1", "unnormalized", "false"), near({11, 11, 11, 44}));
  EXPECT_THAT(resample("bilinear", "reflection", "-1", "normalized_zero_to_one", "true"),
              near({22, 36.3, 11, 34.1}));
  EXPECT_THAT(resample("nearest", "symmetric", "-1", "normalized_zero_to_one", "false"),
              near({22, 33, 11, 33}));
}

TEST(Resample, RulesC1ToC5) {
  EXPECT_THAT(error_of([] { resample("cubic", "border", "0", "unnormalized", "true"); }),
              HasSubstr("resample.c3: sampling_mode 'cubic' is not known"));
  EXPECT_THAT(error_of([] { resample("nearest", "wrap", "0", "unnormalized", "true"); }),
              HasSubstr("resample.c4: padding_mode 'wrap' is not known"));
  EXPECT_THAT(error_of([] { resample("nearest", "border", "0", "pixels", "true"); }),
              HasSubstr("resample.c5: coordinates_mode 'pixels' is not known"));
  const auto refused = [](const Shape& x, const Shape& points) {
    const auto build = [](Builder& b, const auto& v) {
      return b.op("resample", {{"x", v[0]},
                               {"coordinates", v[1]},
                               {"sampling_mode", b.text("nearest")},
                               {"padding_mode", b.text("border")},
                               {"padding_value", b.scalar(DType::kFp64, 0)},
                               {"coordinates_mode", b.text("unnormalized")},
                               {"align_corners", b.boolean(true)}});
    };
    return refusal({random_tensor(x, 0), random_tensor(points, 0)}, build);
  };
  EXPECT_THAT(refused({2, 2}, {1, 1, 1, 2}), HasSubstr("resample.c1: x [2, 2]"));
  EXPECT_THAT(refused({1, 1, 2, 2}, {2, 1, 1, 2}), HasSubstr("resample.c2"));
}

TEST(Resample, APointThatIsNoNumberGivesNone) {
  const auto at = [](double x, double y) {
    const auto build = [](Builder& b, const auto& v) {
      return b.op("resample", {{"x", v[0]},
                               {"coordinates", v[1]},
                               {"sampling_mode", b.text("bilinear")},
                               {"padding_mode", b.text("constant")},
                               {"padding_value", b.scalar(DType::kFp64, 5)},
                               {"coordinates_mode", b.text("unnormalized")},
                               {"align_corners", b.boolean(true)}});
    };
    return run_one({random_tensor({1, 1, 2, 2}, 1), Tensor::of<double>({1, 1, 1, 2}, {x, y})},
                   build)
        .at(0);
  };
  EXPECT_TRUE(std::isnan(at(NAN, 0)));
  EXPECT_EQ(at(INFINITY, 0), 5);
  EXPECT_EQ(at(0, -1e300), 5);
}

std::string affine(const std::string& more) {
  return "func main<ios15>(tensor<fp32, [1, 1, 2, 2]> x, tensor<fp32, [1, 6]> m) { tensor<fp32, "
         "[1, "
         "1, 2, 5]> y = affine(x = x, transform_matrix = m, output_height = int32(2), output_width "
         "= "
         "int32(5), sampling_mode = string(\"bilinear\"), padding_mode = string(\"constant\"), "
         "padding_value = fp32(0)" +
         more + "); } -> (y);";
}

// Core ML's own example.
TEST(Affine, MapsEveryPixelBetweenMinusOneAndOne) {
  const Tensor matrix = floats({1, 6}, {-1, -2, -3.7f, -1, 3.5f, 1.2f});
  const std::string good = affine(
      ", coordinates_mode = string(\"normalized_minus_one_to_one\"), align_corners = bool(true)");
  EXPECT_THAT(
      values(run_mil(good, {kFour, matrix})[0]),
      Pointwise(DoubleNear(1e-5), Numbers{10.752501, 5.94, 2.5025, 0.44, 0, 0, 0, 0, 0, 0}));
  EXPECT_THAT(error_of([&] {
                run_mil(affine(", coordinates_mode = string(\"unnormalized\"), align_corners = "
                               "bool(true)"),
                        {kFour, matrix});
              }),
              HasSubstr("affine.c4"));
}

TEST(Affine, RulesC1ToC3) {
  const auto refused = [](const Shape& x, const Shape& matrix, int64_t height) {
    const auto build = [=](Builder& b, const auto& v) {
      return b.op("affine", {{"x", v[0]},
                             {"transform_matrix", v[1]},
                             {"output_height", b.integer(height)},
                             {"output_width", b.integer(1)},
                             {"sampling_mode", b.text("bilinear")},
                             {"padding_mode", b.text("constant")},
                             {"padding_value", b.scalar(DType::kFp64, 0)},
                             {"coordinates_mode", b.text("normalized_minus_one_to_one")},
                             {"align_corners", b.boolean(true)}});
    };
    return refusal({random_tensor(x, 0), random_tensor(matrix, 0)}, build);
  };
  EXPECT_THAT(refused({2, 2}, {1, 6}, 1), HasSubstr("affine.c1"));
  EXPECT_THAT(refused({1, 1, 2, 2}, {1, 6}, 0), HasSubstr("affine.c2"));
  EXPECT_THAT(refused({1, 1, 2, 2}, {2, 6}, 1), HasSubstr("affine.c3: transform_matrix [2, 6]"));
}

}  // namespace
}  // namespace anemone
