// Where crop_resize, resample and affine read images: at points that are the same in all channels.
#pragma once

#include <memory>

#include "anemone/ops/plane.h"

namespace anemone {

// What the points are computed from while the operation runs.
struct PointOperands {
  const TensorView* points;            // boxes, coordinates or matrices
  const TensorView* images = nullptr;  // crop_resize's box_indices
};

// The result is a number of stacks of planes, one for each channel of the image that a stack is
// read from. The operation must outlive this.
class SampledPoints {
 public:
  explicit SampledPoints(const OpArgs& args) : args_(args) {}
  virtual ~SampledPoints() = default;

  // The names of the PointOperands; empty where there is none.
  virtual std::string points_name() const = 0;
  virtual std::string images_name() const { return ""; }

  // The value around the images, and whether the pixel next to a point is taken.
  virtual double outside() const = 0;
  virtual bool is_nearest() const { return false; }

  virtual int64_t image(const PointOperands& /*operands*/, int64_t stack) const { return stack; }
  // The points of a row of the stack's planes. One from which all is outside is infinite.
  virtual void row(const PointOperands& operands, int64_t stack, int64_t row,
                   Point* points) const = 0;

 protected:
  OpArgs args_;
};

std::unique_ptr<SampledPoints> points_of_crop(const OpArgs& args);
std::unique_ptr<SampledPoints> points_of_warp(const OpArgs& args);

// The reference kernel.
void eval_sampled(const EvalArgs& args, const SampledPoints& points);

}  // namespace anemone
