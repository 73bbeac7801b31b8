// Kernels of resized images give what the reference kernels give.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder

struct SizesCase {
  Shape x;
  int64_t height, width;
};

// Wide, narrow, one row, one column, one pixel, larger, smaller and the same.
const SizesCase kSizes[] = {
    {{1, 3, 5, 7}, 10, 14},  {{2, 3, 4, 33}, 9, 131}, {{1, 2, 17, 40}, 5, 13},
    {{1, 1, 1, 19}, 1, 57},  {{2, 1, 23, 1}, 40, 1},  {{3, 1, 1}, 5, 70},
    {{1, 2, 6, 100}, 6, 99}, {{1, 2, 6, 90}, 7, 90},  {{2, 2, 8, 64}, 8, 64},
    {{1, 1, 70, 70}, 1, 1},  {{1, 4, 3, 16}, 30, 17}, {{2, 5, 3, 1021}, 4, 2048}};
const char* const kModes[] = {"STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "UNALIGN_CORNERS", "DEFAULT",
                              "OFFSET_CORNERS"};

Build to_size(const char* op, const SizesCase& c, const char* mode = nullptr) {
  return [&c, op, mode](Builder& b, const std::vector<Value>& v) {
    std::vector<Argument> arguments = {{"x", v[0]},
                                       {"target_size_height", b.integer(c.height)},
                                       {"target_size_width", b.integer(c.width)}};
    if (mode) arguments.emplace_back("sampling_mode", b.text(mode));
    return b.ops(op, std::move(arguments));
  };
}

Build scaled(const char* op, double height, double width, bool align, bool half) {
  return [=](Builder& b, const std::vector<Value>& v) {
    std::vector<Argument> arguments = {{"x", v[0]},
                                       {"scale_factor_height", b.scalar(DType::kFp32, height)},
                                       {"scale_factor_width", b.scalar(DType::kFp32, width)}};
    if (std::string(op) == "upsample_bilinear") {
      arguments.emplace_back("align_corners", b.boolean(align));
      arguments.emplace_back("half_pixel_centers", b.boolean(half));
    }
    return b.ops(op, std::move(arguments));
  };
}

Build general(std::vector<int64_t> shape, int64_t dims, const char* interpolation,
              const char* mode) {
  return [=](Builder& b, const std::vector<Value>& v) {
    return b.ops("resize", {{"x", v[0]},
                            {"shape", b.integers(shape)},
                            {"resized_dims", b.integer(dims)},
                            {"interpolation_mode", b.text(interpolation)},
                            {"sampling_mode", b.text(mode)}});
  };
}

TEST(ResizingKernels, ToAnySizeInEveryMode) {
  for (const SizesCase& c : kSizes) {
    SCOPED_TRACE(to_string(c.x) + " to " + std::to_string(c.height) + "x" +
                 std::to_string(c.width));
    expect_fast({fp32(c.x, 1)}, to_size("resize_nearest_neighbor", c));
    for (const char* mode : kModes) {
      SCOPED_TRACE(mode);
      expect_fast({fp32(c.x, 1)}, to_size("resize_bilinear", c, mode));
    }
  }
}

TEST(ResizingKernels, ByScalesOnEveryGrid) {
  const std::pair<double, double> scales[] = {{1, 1}, {2, 2},      {3, 1},
                                              {1, 4}, {1.5, 2.25}, {0.5, 0.4}};
  for (const SizesCase& c : kSizes) {
    for (const auto& scale : scales) {
      const double height = scale.first, width = scale.second;
      const auto rows = static_cast<double>(c.x[c.x.size() - 2]);
      if (rows * height < 1 || static_cast<double>(c.x.back()) * width < 1) continue;
      SCOPED_TRACE(to_string(c.x) + " by " + std::to_string(height) + ", " + std::to_string(width));
      expect_fast({fp32(c.x, 1)}, scaled("upsample_nearest_neighbor", height, width, false, false));
      expect_fast({fp32(c.x, 1)}, scaled("upsample_bilinear", height, width, true, false));
      expect_fast({fp32(c.x, 1)}, scaled("upsample_bilinear", height, width, false, true));
      expect_fast({fp32(c.x, 1)}, scaled("upsample_bilinear", height, width, false, false));
    }
  }
}

TEST(ResizingKernels, AnyNumberOfAxesOfWhichTwoChange) {
  for (const char* mode : kModes) {
    SCOPED_TRACE(mode);
    const Tensor x = fp32({2, 3, 5, 37}, 1);
    for (const char* interpolation : {"LINEAR", "NEAREST_NEIGHBOR"}) {
      expect_fast({x}, general({70}, 1, interpolation, mode));
      expect_fast({x}, general({9, 70}, 2, interpolation, mode));
      expect_fast({x}, general({9, 0}, 2, interpolation, mode));
      expect_fast({fp32({41}, 1)}, general({70}, 1, interpolation, mode));
      expect_fast({x}, general({4, 9, 70}, 3, interpolation, mode), false);
    }
  }
  expect_fast({fp32({2, 3, 5, 37}, 1)}, general({0, 9, 70}, 3, "LINEAR", "UNALIGN_CORNERS"));
}

TEST(ResizingKernels, IntegersMoveAndAreNotInterpolated) {
  const Inputs x = {int32({2, 3}, {1, -7, std::numeric_limits<int32_t>::max(), 4, 5, 0x7F800001})};
  expect_fast(x, general({5, 70}, 2, "NEAREST_NEIGHBOR", "UNALIGN_CORNERS"));
  expect_fast(x, general({5, 70}, 2, "LINEAR", "UNALIGN_CORNERS"), false);
}

// The same as the reference where numbers are none or infinite: what weighs nothing is not read.
TEST(ResizingKernels, SpecialNumbersReachWhatTheyWeigh) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const DType dtype : {DType::kFp32, DType::kFp16}) {
    for (const SizesCase& c : kSizes) {
      Tensor x = fp32(c.x, 1);
      for (int64_t i = 0; i < x.size(); i += 11) x.view().set(i, i % 3 ? kInf : i % 2 ? NAN : -0.0);
      for (const char* mode : kModes) {
        SCOPED_TRACE(to_string(c.x) + mode);
        const Function f = make_function({x.cast(dtype)}, to_size("resize_bilinear", c, mode));
        const NamedTensors in = name_inputs(f, {x.cast(dtype)});
        const auto got = values(run_on_cpu(f, in).at("out0"));
        const auto want = values(evaluate(f, in).at("out0"));
        for (size_t i = 0; i < want.size(); ++i) {
          ASSERT_EQ(std::isnan(got[i]), std::isnan(want[i])) << i;
          ASSERT_EQ(std::isinf(got[i]), std::isinf(want[i])) << i;
          if (want[i] == 0) {
            ASSERT_EQ(std::signbit(got[i]), std::signbit(want[i])) << i;
          }
        }
      }
    }
  }
}

TEST(ResizingKernels, HalvesAreRoundedOnce) {
  for (const SizesCase& c : kSizes) {
    const Tensor x = fp32(c.x, 1).cast(DType::kFp16);
    for (const char* op : {"resize_nearest_neighbor", "resize_bilinear"}) {
      const Function f = make_function({x.clone()}, to_size(op, c));
      const NamedTensors in = name_inputs(f, {x.clone()});
      // A sum that is near the middle of two fp16 numbers may go the other way.
      const bool moves = std::string(op) == "resize_nearest_neighbor";
      expect_same(run_on_cpu(f, in, 2), evaluate(f, in), moves ? 0 : 1e-4);
    }
  }
}

}  // namespace
}  // namespace anemone
