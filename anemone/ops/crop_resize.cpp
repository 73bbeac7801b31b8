// crop_resize: boxes of an image in one size. No gradient.
#include <algorithm>
#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/plane.h"
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

// The four numbers from `first` on, as corners in pixels.
Box box_at(const EvalArgs& args, const TensorView& boxes, int64_t first) {
  const BoxFormat format = box_format(args);
  const Shape& x = args.shape("x");
  double n[4];
  for (int64_t i = 0; i < 4; ++i) n[i] = boxes.at(first + i);
  if (!format.height_first) {
    std::swap(n[0], n[1]);
    std::swap(n[2], n[3]);
  }
  Box box{{n[0], n[1]}, {n[2], n[3]}};
  if (format.mode == BoxMode::kCenter) {
    box = {{n[0] - n[2] / 2, n[1] - n[3] / 2}, {n[0] + n[2] / 2, n[1] + n[3] / 2}};
  }
  const bool normalized = args.boolean("normalized_coordinates", false);
  const double scale = args.number("spatial_scale", 1.0);
  const double by_y = scale * (normalized ? static_cast<double>(x[2] - 1) : 1);
  const double by_x = scale * (normalized ? static_cast<double>(x[3] - 1) : 1);
  return {{box.begin.y * by_y, box.begin.x * by_x}, {box.end.y * by_y, box.end.x * by_x}};
}

// A point outside of the image gives the padding value, however near it is.
double crop_at(const Plane& plane, Point p) {
  const bool outside = p.y < 0 || p.x < 0 || p.y > static_cast<double>(plane.height - 1) ||
                       p.x > static_cast<double>(plane.width - 1);
  return outside ? plane.outside : bilinear(plane, p);
}

// One channel of one crop, written from `to` on.
void crop(const EvalArgs& args, const Plane& plane, const Box& box, int64_t to) {
  const Sampling sampling = sampling_of(args, "sampling_mode", "crop_resize.c6");
  const Shape& out = args.out().shape;
  const int64_t height = out[out.size() - 2], width = out.back();
  for (int64_t i = 0; i < height; ++i) {
    const double y = grid_point_between(sampling, i, box.begin.y, box.end.y, height);
    for (int64_t j = 0; j < width; ++j) {
      const double x = grid_point_between(sampling, j, box.begin.x, box.end.x, width);
      args.out().set(to++, crop_at(plane, {y, x}));
    }
  }
}

int64_t image_index(const EvalArgs& args, double index) {
  const int64_t images = args.shape("x")[0];
  args.require(index >= 0 && index < static_cast<double>(images),
               "crop_resize.c7: image {} is not one of {}", index, images);
  return static_cast<int64_t>(index);
}

void eval_crop_resize(const EvalArgs& args) {
  const TensorView& x = args.in("x");
  const TensorView& boxes = args.in(has_rois(args) ? "roi" : "boxes");
  const int64_t numbers = has_rois(args) ? boxes.shape[2] : 4, channels = x.shape[1];
  const int64_t crops = boxes.shape[0], images = has_rois(args) && numbers == 4 ? x.shape[0] : 1;
  const Shape& out = args.out().shape;
  const int64_t pixels = out[out.size() - 2] * out.back();
  const double outside = args.number("pad_value", 0.0);
  int64_t to = 0;
  for (int64_t i = 0; i < crops; ++i) {
    const Box box = box_at(args, boxes, i * numbers + numbers - 4);
    for (int64_t j = 0; j < images; ++j) {
      double image = static_cast<double>(has_rois(args) ? j : i);
      if (numbers == 5) image = boxes.at(i * 5);
      if (args.has("box_indices")) image = args.in("box_indices").at(i);
      const int64_t first = image_index(args, image) * channels;
      for (int64_t c = 0; c < channels; ++c, to += pixels) {
        crop(args, plane_of(x, first + c, outside), box, to);
      }
    }
  }
}

const OpDef kOps[] = {
    {.name = "crop_resize",
     .params = kCropResize,
     .infer = infer_crop_resize,
     .eval = eval_crop_resize,
     .flops = ten_flops_each},
};

}  // namespace

std::span<const OpDef> crop_resize_ops() { return kOps; }

}  // namespace anemone
