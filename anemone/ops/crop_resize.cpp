// crop_resize: boxes of an image in one size. No gradient.
#include <algorithm>
#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/sampled_points.h"
#include "anemone/ops/sampling.h"

namespace anemone {
namespace {

constexpr Param kCropResize[] = {param("x", Accepts::kFloat),
                                 optional_param("roi", Accepts::kFloat),
                                 optional_param("boxes", Accepts::kAny),
                                 optional_param("box_indices", Accepts::kInteger),
                                 optional_const("target_height", Accepts::kInteger),
                                 optional_const("target_width", Accepts::kInteger),
                                 optional_const("normalized_coordinates", Accepts::kBool),
                                 optional_const("spatial_scale", Accepts::kFloat),
                                 optional_const("box_coordinate_mode", Accepts::kString),
                                 optional_const("sampling_mode", Accepts::kString),
                                 optional_const("pad_value", Accepts::kFloat)};

enum class BoxMode { kCorners, kCenter };

// Where a box's numbers are: `height_first` has y before x.
struct BoxFormat {
  BoxMode mode = BoxMode::kCorners;
  bool height_first = true;
};

BoxFormat box_format(const OpArgs& args) {
  const std::string mode = args.text("box_coordinate_mode", "CORNERS_HEIGHT_FIRST");
  if (mode == "CORNERS_HEIGHT_FIRST") return {BoxMode::kCorners, true};
  if (mode == "CORNERS_WIDTH_FIRST") return {BoxMode::kCorners, false};
  if (mode == "CENTER_SIZE_HEIGHT_FIRST") return {BoxMode::kCenter, true};
  args.require(mode == "CENTER_SIZE_WIDTH_FIRST",
               "crop_resize.c3: box_coordinate_mode '{}' is not CORNERS_… or CENTER_SIZE_… with "
               "HEIGHT_FIRST or WIDTH_FIRST",
               mode);
  return {BoxMode::kCenter, false};
}

bool has_rois(const OpArgs& args) { return !args.since(Opset::kIos17); }

// Numbers of a roi: 5 with the number of its image, 4 without.
int64_t check_rois(const OpArgs& args) {
  args.require(args.has("roi") && !args.has("boxes") && !args.has("box_indices"),
               "crop_resize.c4: up to ios16 the boxes are 'roi'");
  const Shape& roi = args.shape("roi");
  const bool fits =
      roi.size() == 5 && roi[1] == 1 && (roi[2] == 4 || roi[2] == 5) && roi[3] == 1 && roi[4] == 1;
  args.require(fits, "crop_resize.c5: roi {} is not [N, 1, 4 or 5, 1, 1]", to_string(roi));
  return roi[2];
}

void check_boxes(const OpArgs& args, const Shape& x) {
  args.require(args.has("boxes") && !args.has("roi"),
               "crop_resize.c4: from ios17 on the boxes are 'boxes' and 'box_indices'");
  const Shape& boxes = args.shape("boxes");
  args.require(boxes.size() == 2 && boxes[1] == 4, "crop_resize.c5: boxes {} are not [N, 4]",
               to_string(boxes));
  if (args.has("box_indices")) {
    args.require(args.shape("box_indices") == Shape{boxes[0]},
                 "crop_resize.c5: box_indices {} are not [{}]",
                 to_string(args.shape("box_indices")), boxes[0]);
  } else {
    args.require(boxes[0] <= x[0], "crop_resize.c5: {} boxes without indices for {} images",
                 boxes[0], x[0]);
  }
}

std::vector<Type> infer_crop_resize(const OpArgs& args) {
  const Shape& x = image_shape(args);
  const int64_t height = image_size(args, "target_height", 1);
  const int64_t width = image_size(args, "target_width", 1);
  box_format(args);
  sampling_of(args, "sampling_mode", "crop_resize.c6");
  const DType dtype = args.type("x").dtype;
  if (has_rois(args)) {
    const int64_t images = check_rois(args) == 5 ? 1 : x[0];
    return {Type::tensor(dtype, {args.shape("roi")[0], images, x[1], height, width})};
  }
  check_boxes(args, x);
  return {Type::tensor(dtype, {args.shape("boxes")[0], x[1], height, width})};
}

struct Box {
  Point begin, end;
};

// Boxes of a size, which run over the images or have one each.
class CropPoints final : public SampledPoints {
 public:
  explicit CropPoints(const OpArgs& args)
      : SampledPoints(args),
        format_(box_format(args)),
        sampling_(sampling_of(args, "sampling_mode", "crop_resize.c6")),
        has_rois_(has_rois(args)),
        numbers_(has_rois_ ? args.shape("roi")[2] : 4),
        images_(args.shape("x")[0]),
        outside_(args.number("pad_value", 0.0)) {
    const Shape &x = args.shape("x"), &out = args.op().outputs[0]->type.shape;
    const bool normalized = args.boolean("normalized_coordinates", false);
    const double scale = args.number("spatial_scale", 1.0);
    last_ = {static_cast<double>(x[2] - 1), static_cast<double>(x[3] - 1)};
    scale_ = {scale * (normalized ? last_.y : 1), scale * (normalized ? last_.x : 1)};
    height_ = out[out.size() - 2];
    width_ = out.back();
  }

  std::string points_name() const override { return has_rois_ ? "roi" : "boxes"; }
  std::string images_name() const override { return args_.has("box_indices") ? "box_indices" : ""; }
  double outside() const override { return outside_; }

  int64_t image(const PointOperands& operands, int64_t stack) const override {
    double image = static_cast<double>(has_rois_ ? stack % images_of_box() : stack);
    if (numbers_ == 5) image = operands.points->at(stack * 5);
    if (operands.images) image = operands.images->at(stack);
    args_.require(image >= 0 && image < static_cast<double>(images_),
                  "crop_resize.c7: image {} is not one of {}", image, images_);
    return static_cast<int64_t>(image);
  }

  // A point outside of the image gives the padding value, however near it is.
  void row(const PointOperands& operands, int64_t stack, int64_t row,
           Point* points) const override {
    const Box box = box_at(*operands.points, stack / images_of_box());
    const double y = grid_point_between(sampling_, row, box.begin.y, box.end.y, height_);
    for (int64_t j = 0; j < width_; ++j) {
      const double x = grid_point_between(sampling_, j, box.begin.x, box.end.x, width_);
      const bool is_outside = y < 0 || x < 0 || y > last_.y || x > last_.x;
      points[j] = is_outside ? Point{-HUGE_VAL, -HUGE_VAL} : Point{y, x};
    }
  }

 private:
  struct Box {
    Point begin, end;
  };

  // Up to ios16 boxes that name no image are for all of them.
  int64_t images_of_box() const { return has_rois_ && numbers_ == 4 ? images_ : 1; }

  // As corners in pixels.
  Box box_at(const TensorView& boxes, int64_t index) const {
    double n[4];
    for (int64_t i = 0; i < 4; ++i) n[i] = boxes.at(index * numbers_ + numbers_ - 4 + i);
    if (!format_.height_first) {
      std::swap(n[0], n[1]);
      std::swap(n[2], n[3]);
    }
    Box box{{n[0], n[1]}, {n[2], n[3]}};
    if (format_.mode == BoxMode::kCenter) {
      box = {{n[0] - n[2] / 2, n[1] - n[3] / 2}, {n[0] + n[2] / 2, n[1] + n[3] / 2}};
    }
    return {{box.begin.y * scale_.y, box.begin.x * scale_.x},
            {box.end.y * scale_.y, box.end.x * scale_.x}};
  }

  BoxFormat format_;
  Sampling sampling_;
  bool has_rois_;
  int64_t numbers_, images_, height_ = 0, width_ = 0;
  double outside_;
  Point last_, scale_;
};

void eval_crop_resize(const EvalArgs& args) { eval_sampled(args, CropPoints(args)); }

const OpDef kOps[] = {
    {.name = "crop_resize",
     .params = kCropResize,
     .infer = infer_crop_resize,
     .eval = eval_crop_resize,
     .flops = ten_flops_each},
};

}  // namespace

std::unique_ptr<SampledPoints> points_of_crop(const OpArgs& args) {
  return std::make_unique<CropPoints>(args);
}

std::span<const OpDef> crop_resize_ops() { return kOps; }

}  // namespace anemone
