// crop_resize, resample and affine: what a point is made of is found once for all channels.
#include <cmath>
#include <limits>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/ops/sampled_points.h"

namespace anemone {
namespace {

constexpr size_t kGrain = 2048;  // numbers that are worth a thread

// What a number of each plane is: `value`, the pixel at (y, x), or an interpolation from it and
// the pixels right and below. With kFour all four are in the image and have a weight.
struct SampleTap {
  enum class Kind : uint8_t { kValue, kPixel, kFour, kAtBorder } kind;
  int32_t y, x;
  float value;
  float left, right, top, bottom;  // weights
};

// Sizes of the images, and what lies around them.
struct SampledImage {
  int64_t channels, height, width;
  float outside;

  float at(const float* plane, int64_t y, int64_t x) const {
    return y < 0 || y >= height || x < 0 || x >= width ? outside : plane[y * width + x];
  }
  bool is_touched(double y, double x) const {
    return y > -1 && x > -1 && y < static_cast<double>(height) && x < static_cast<double>(width);
  }
};

SampleTap tap_of(const SampledImage& image, Point p, bool is_nearest) {
  using Kind = SampleTap::Kind;
  SampleTap tap = {Kind::kValue, 0, 0, std::numeric_limits<float>::quiet_NaN(), 1, 0, 1, 0};
  if (std::isnan(p.y) || std::isnan(p.x)) return tap;
  tap.value = image.outside;
  if (is_nearest) p = {std::nearbyint(p.y), std::nearbyint(p.x)};
  if (!image.is_touched(p.y, p.x)) return tap;
  const double y = std::floor(p.y), x = std::floor(p.x);
  tap.y = static_cast<int32_t>(y);
  tap.x = static_cast<int32_t>(x);
  tap.left = static_cast<float>(1 - (p.x - x));
  tap.right = static_cast<float>(p.x - x);
  tap.top = static_cast<float>(1 - (p.y - y));
  tap.bottom = static_cast<float>(p.y - y);
  const bool is_inside = y >= 0 && x >= 0 && tap.y + 1 < image.height && tap.x + 1 < image.width;
  tap.kind = tap.right == 0 && tap.bottom == 0              ? Kind::kPixel
             : is_inside && tap.right > 0 && tap.bottom > 0 ? Kind::kFour
                                                            : Kind::kAtBorder;
  return tap;
}

// What weighs nothing is not read.
float border_sample(const SampledImage& image, const float* plane, const SampleTap& tap) {
  const auto row = [&](int64_t y) {
    const float left = image.at(plane, y, tap.x);
    return tap.right == 0 ? left : left * tap.left + image.at(plane, y, tap.x + 1) * tap.right;
  };
  return tap.bottom == 0 ? row(tap.y) : row(tap.y) * tap.top + row(tap.y + 1) * tap.bottom;
}

void sample_row(const SampledImage& image, const float* plane, const SampleTap* taps, size_t count,
                float* out) {
  for (size_t i = 0; i < count; ++i) {
    const SampleTap& tap = taps[i];
    const float* pixel = plane + tap.y * image.width + tap.x;
    switch (tap.kind) {
      case SampleTap::Kind::kFour: {
        const float* below = pixel + image.width;
        out[i] = (pixel[0] * tap.left + pixel[1] * tap.right) * tap.top +
                 (below[0] * tap.left + below[1] * tap.right) * tap.bottom;
        break;
      }
      case SampleTap::Kind::kPixel:
        out[i] = *pixel;
        break;
      case SampleTap::Kind::kValue:
        out[i] = tap.value;
        break;
      case SampleTap::Kind::kAtBorder:
        out[i] = border_sample(image, plane, tap);
        break;
    }
  }
}

class Sampling2d final : public Kernel {
 public:
  Sampling2d(const OpArgs& args, std::unique_ptr<SampledPoints> points)
      : points_(std::move(points)),
        position_(*position_of(args.op(), points_->points_name())),
        images_position_(position_of(args.op(), points_->images_name())) {
    const Shape &x = args.shape("x"), &out = args.op().outputs[0]->type.shape;
    image_ = {x[1], x[2], x[3], static_cast<float>(points_->outside())};
    height_ = static_cast<size_t>(out[out.size() - 2]);
    width_ = static_cast<size_t>(out.back());
    rows_ = static_cast<size_t>(element_count(out) / x[1]) / width_;
  }

  void run(const KernelRun& run) const override {
    const PointOperands operands = {&run.in[position_],
                                    images_position_ ? &run.in[*images_position_] : nullptr};
    const size_t numbers = width_ * static_cast<size_t>(image_.channels);
    run.pool.parallel_for(rows_, kGrain / numbers + 1, [&](size_t begin, size_t end, int thread) {
      auto* points =
          reinterpret_cast<Point*>(run.scratch + static_cast<size_t>(thread) * row_bytes());
      for (size_t i = begin; i < end; ++i) make_rows(run, operands, i, points);
    });
  }
  size_t scratch_bytes(int threads) const override {
    return static_cast<size_t>(threads) * row_bytes();
  }

 private:
  size_t row_bytes() const { return width_ * (sizeof(Point) + sizeof(SampleTap)); }

  // One of each channel.
  void make_rows(const KernelRun& run, const PointOperands& operands, size_t index,
                 Point* points) const {
    auto* taps = reinterpret_cast<SampleTap*>(points + width_);
    const auto stack = static_cast<int64_t>(index / height_);
    const size_t row = index % height_;
    points_->row(operands, stack, static_cast<int64_t>(row), points);
    for (size_t i = 0; i < width_; ++i) taps[i] = tap_of(image_, points[i], points_->is_nearest());
    const int64_t first = points_->image(operands, stack) * image_.channels;
    for (int64_t c = 0; c < image_.channels; ++c) {
      const float* plane = run.input(0) + (first + c) * image_.height * image_.width;
      const auto to = static_cast<size_t>(stack * image_.channels + c) * height_ + row;
      sample_row(image_, plane, taps, width_, run.output() + to * width_);
    }
  }

  std::unique_ptr<SampledPoints> points_;
  size_t position_;
  std::optional<size_t> images_position_;
  SampledImage image_{};
  size_t height_ = 1, width_ = 1, rows_ = 0;
};

template <std::unique_ptr<SampledPoints> (*points)(const OpArgs& args)>
std::unique_ptr<Kernel> sampling(const OpArgs& args) {
  if (args.type("x").dtype != DType::kFp32) return nullptr;
  if (args.op().outputs[0]->type.dtype != DType::kFp32) return nullptr;
  return std::make_unique<Sampling2d>(args, points(args));
}

}  // namespace

KernelFamily sampling_kernels() {
  return {
      {"affine", sampling<points_of_warp>},
      {"crop_resize", sampling<points_of_crop>},
      {"resample", sampling<points_of_warp>},
  };
}

}  // namespace anemone
