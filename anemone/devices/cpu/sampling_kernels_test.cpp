// Kernels that read images at computed points give what the reference kernels give.
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/devices/cpu/kernel.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/text/parser.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder

const char* const kModes[] = {"STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "UNALIGN_CORNERS", "DEFAULT",
                              "OFFSET_CORNERS"};

// Inside, across every border, turned round, a point, and far away.
Tensor boxes() {
  return Tensor::of<float>({6, 4}, {1, 2, 4, 6, -2, -1, 9,    12, 4,   5,   1,   0.5f,
                                    2, 2, 2, 2, 0,  3,  0.5f, 60, 100, 100, 120, 130});
}

Build crop(const char* mode, const char* format, bool normalized) {
  return [=](Builder& b, const std::vector<Value>& v) {
    return b.ops("crop_resize", {{"x", v[0]},
                                 {"boxes", v[1]},
                                 {"box_indices", v[2]},
                                 {"target_height", b.integer(5)},
                                 {"target_width", b.integer(19)},
                                 {"normalized_coordinates", b.boolean(normalized)},
                                 {"spatial_scale", b.scalar(DType::kFp32, normalized ? 0.1 : 0.75)},
                                 {"box_coordinate_mode", b.text(format)},
                                 {"sampling_mode", b.text(mode)},
                                 {"pad_value", b.scalar(DType::kFp32, 1.5)}});
  };
}

TEST(SamplingKernels, BoxesOfImagesInEveryMode) {
  for (const char* mode : kModes) {
    for (const char* format : {"CORNERS_HEIGHT_FIRST", "CENTER_SIZE_WIDTH_FIRST"}) {
      for (const bool normalized : {false, true}) {
        SCOPED_TRACE(mode);
        expect_fast({fp32({3, 4, 7, 11}, 1), boxes(), int32({6}, {0, 2, 1, 1, 0, 2})},
                    crop(mode, format, normalized));
      }
    }
  }
}

TEST(SamplingKernels, AnImageThatIsNotThereIsRefused) {
  for (const int32_t wrong : {3, -1}) {
    const Inputs inputs = {fp32({3, 1, 7, 11}, 1), boxes(), int32({6}, {0, 2, 1, wrong, 0, 2})};
    const Function f = make_function(inputs, crop("DEFAULT", "CORNERS_HEIGHT_FIRST", false));
    const std::string error = error_of([&] { run_on_cpu(f, name_inputs(f, inputs), 2); });
    EXPECT_NE(error.find("crop_resize.c7"), std::string::npos) << error;
  }
}

// Of all images, or of one that each names.
TEST(SamplingKernels, RoisUpToIos16) {
  for (const int64_t numbers : {4, 5}) {
    const std::string images = numbers == 4 ? "2" : "1";
    const std::string text =
        "func main<ios16>(tensor<fp32, [2, 3, 7, 11]> x, tensor<fp32, [2, 1, " +
        std::to_string(numbers) + ", 1, 1]> r) { tensor<fp32, [2, " + images +
        ", 3, 4, 6]> y = crop_resize(x = x, roi = r, target_height = "
        "int32(4), target_width = int32(6)); } -> (y);";
    const Function f = std::move(parse_mil(text).functions.front());
    Tensor rois(DType::kFp32, {2, 1, numbers, 1, 1});
    for (int64_t i = 0; i < rois.size(); ++i) rois.view().set(i, i % numbers == 0 ? 1 : i);
    NamedTensors in;
    in.emplace("x", fp32({2, 3, 7, 11}, 1));
    in.emplace("r", std::move(rois));
    EXPECT_NE(make_fast_kernel(*f.operations.back()), nullptr);
    expect_same(run_on_cpu(f, in, 2), evaluate(f, in));
  }
}

Build resample(const char* sampling, const char* padding, const char* units, bool align) {
  return [=](Builder& b, const std::vector<Value>& v) {
    return b.ops("resample", {{"x", v[0]},
                              {"coordinates", v[1]},
                              {"sampling_mode", b.text(sampling)},
                              {"padding_mode", b.text(padding)},
                              {"padding_value", b.scalar(DType::kFp32, 0.5)},
                              {"coordinates_mode", b.text(units)},
                              {"align_corners", b.boolean(align)}});
  };
}

TEST(SamplingKernels, PointsWithEveryBorderAndUnit) {
  for (const char* sampling : {"bilinear", "nearest"}) {
    for (const char* padding : {"constant", "border", "reflection", "symmetric"}) {
      for (const char* units :
           {"unnormalized", "normalized_minus_one_to_one", "normalized_zero_to_one"}) {
        const double most = std::string(units) == "unnormalized" ? 20 : 2;
        for (const bool align : {false, true}) {
          SCOPED_TRACE(std::string(sampling) + padding + units);
          expect_fast({fp32({2, 3, 7, 11}, 1), fp32({2, 5, 9, 2}, 2, -most, most)},
                      resample(sampling, padding, units, align));
        }
      }
    }
  }
}

TEST(SamplingKernels, SpecialNumbersReachWhatTheyWeigh) {
  Tensor x = fp32({1, 2, 4, 5}, 1), points = fp32({1, 20, 20, 2}, 2, -2, 7);
  for (int64_t i = 0; i < x.size(); i += 5) x.view().set(i, i % 2 ? HUGE_VAL : NAN);
  for (int64_t i = 0; i < points.size(); ++i) {
    const double at = points.view().at(i);
    if (i % 3 != 0) points.view().set(i, std::floor(at));  // between no pixels
    if (i % 31 == 0) points.view().set(i, i % 2 ? NAN : HUGE_VAL);
  }
  const Inputs inputs = {x, points};
  for (const char* sampling : {"bilinear", "nearest"}) {
    const Function f = make_function(inputs, resample(sampling, "constant", "unnormalized", false));
    const NamedTensors in = name_inputs(f, inputs);
    const auto got = values(run_on_cpu(f, in).at("out0"));
    const auto want = values(evaluate(f, in).at("out0"));
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(std::isnan(got[i]), std::isnan(want[i])) << i;
      ASSERT_EQ(std::isinf(got[i]), std::isinf(want[i])) << i;
      if (std::isfinite(want[i])) {
        ASSERT_NEAR(got[i], want[i], 1e-6) << i;
      }
    }
  }
}

TEST(SamplingKernels, AffineMapsOneForAllImagesAndOneEach) {
  for (const int64_t matrices : {1, 2}) {
    expect_fast(
        {fp32({2, 3, 7, 11}, 1), fp32({matrices, 6}, 2, -1.5, 1.5)}, [](Builder& b, const auto& v) {
          return b.ops("affine", {{"x", v[0]},
                                  {"transform_matrix", v[1]},
                                  {"output_height", b.integer(6)},
                                  {"output_width", b.integer(13)},
                                  {"sampling_mode", b.text("bilinear")},
                                  {"padding_mode", b.text("constant")},
                                  {"padding_value", b.scalar(DType::kFp32, 0)},
                                  {"coordinates_mode", b.text("normalized_minus_one_to_one")},
                                  {"align_corners", b.boolean(true)}});
        });
  }
}

}  // namespace
}  // namespace anemone
