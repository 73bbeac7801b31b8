#include "anemone/ops/plane.h"

#include <cmath>
#include <limits>

#include "anemone/ops/sampled_points.h"

namespace anemone {
namespace {

constexpr int64_t kMaxSize = std::numeric_limits<int32_t>::max();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

bool touches(double point, int64_t size) { return point > -1 && point < static_cast<double>(size); }

}  // namespace

Plane plane_of(const TensorView& image, int64_t channel, double outside) {
  const int64_t height = image.shape[2], width = image.shape[3];
  return {image, channel * height * width, height, width, outside};
}

double bilinear(const Plane& plane, Point p) {
  if (std::isnan(p.y) || std::isnan(p.x)) return kNan;
  if (!touches(p.y, plane.height) || !touches(p.x, plane.width)) return plane.outside;
  const double top = std::floor(p.y), left = std::floor(p.x), dy = p.y - top, dx = p.x - left;
  const auto y = static_cast<int64_t>(top), x = static_cast<int64_t>(left);
  const auto row = [&](int64_t at) {
    return dx == 0 ? plane.at(at, x) : plane.at(at, x) * (1 - dx) + plane.at(at, x + 1) * dx;
  };
  return dy == 0 ? row(y) : row(y) * (1 - dy) + row(y + 1) * dy;
}

double nearest(const Plane& plane, Point p) {
  if (std::isnan(p.y) || std::isnan(p.x)) return kNan;
  const double y = std::nearbyint(p.y), x = std::nearbyint(p.x);
  if (!touches(y, plane.height) || !touches(x, plane.width)) return plane.outside;
  return plane.at(static_cast<int64_t>(y), static_cast<int64_t>(x));
}

const Shape& image_shape(const OpArgs& args) {
  const Shape& shape = args.shape("x");
  args.require(shape.size() == 4, "{}.c1: x {} is not [N, C, H, W]", args.op().type,
               to_string(shape));
  return shape;
}

int64_t image_size(const OpArgs& args, const char* name, int64_t fallback) {
  const int64_t size = args.integer(name, fallback);
  args.require(size >= 1 && size <= kMaxSize, "{}.c2: '{}' {} is not from 1 to 2^31-1",
               args.op().type, name, size);
  return size;
}

void eval_sampled(const EvalArgs& args, const SampledPoints& points) {
  const TensorView &x = args.in("x"), &out = args.out();
  const std::string images = points.images_name();
  const PointOperands operands = {&args.in(points.points_name()),
                                  images.empty() ? nullptr : &args.in(images)};
  const int64_t channels = x.shape[1], height = out.shape[out.shape.size() - 2];
  const int64_t width = out.shape.back();
  std::vector<Point> row(static_cast<size_t>(width));
  for (int64_t stack = 0; stack * channels * height * width < out.size(); ++stack) {
    const int64_t first = points.image(operands, stack) * channels;
    for (int64_t i = 0; i < height; ++i) {
      points.row(operands, stack, i, row.data());
      for (int64_t c = 0; c < channels; ++c) {
        const Plane plane = plane_of(x, first + c, points.outside());
        int64_t to = ((stack * channels + c) * height + i) * width;
        for (const Point& p : row) {
          out.set(to++, points.is_nearest() ? nearest(plane, p) : bilinear(plane, p));
        }
      }
    }
  }
}

}  // namespace anemone
