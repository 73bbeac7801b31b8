// Images that are read at points between their pixels: what crop_resize, resample and affine share.
#pragma once

#include "anemone/ops/op_def.h"

namespace anemone {

struct Point {
  double y = 0, x = 0;
};

// A channel of an image, and what lies around it.
struct Plane {
  const TensorView& image;
  int64_t start = 0, height = 0, width = 0;
  double outside = 0;

  double at(int64_t y, int64_t x) const {
    if (y < 0 || y >= height || x < 0 || x >= width) return outside;
    return image.at(start + y * width + x);
  }
};

// Channel `channel` of an image [N, C, H, W], counted through all N.
Plane plane_of(const TensorView& image, int64_t channel, double outside);

// Between four pixels; those outside of the plane are the plane's `outside`. NaN at a point that
// is.
double bilinear(const Plane& plane, Point p);
// The pixel next to a point; halves to even.
double nearest(const Plane& plane, Point p);

// Quoting .c1: x is [N, C, H, W].
const Shape& image_shape(const OpArgs& args);
// Quoting .c2: a size from 1 to 2^31-1.
int64_t image_size(const OpArgs& args, const char* name, int64_t fallback);

}  // namespace anemone
