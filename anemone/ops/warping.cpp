// Images read at points that the program computes: crop_resize, resample, affine. No gradients.
#include <algorithm>
#include <cmath>
#include <limits>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
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
constexpr Param kResample[] = {param("x", Accepts::kFloat),
                               param("coordinates", Accepts::kAny),
                               const_param("sampling_mode", Accepts::kString),
                               const_param("padding_mode", Accepts::kString),
                               const_param("padding_value", Accepts::kFloat),
                               const_param("coordinates_mode", Accepts::kString),
                               const_param("align_corners", Accepts::kBool)};
constexpr Param kAffine[] = {param("x", Accepts::kFloat),
                             param("transform_matrix", Accepts::kFloat),
                             const_param("output_height", Accepts::kInteger),
                             const_param("output_width", Accepts::kInteger),
                             const_param("sampling_mode", Accepts::kString),
                             const_param("padding_mode", Accepts::kString),
                             const_param("padding_value", Accepts::kFloat),
                             const_param("coordinates_mode", Accepts::kString),
                             const_param("align_corners", Accepts::kBool)};

constexpr int64_t kMaxSize = std::numeric_limits<int32_t>::max();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

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

Plane plane_of(const TensorView& image, int64_t channel, double outside) {
  const int64_t height = image.shape[2], width = image.shape[3];
  return {image, channel * height * width, height, width, outside};
}

bool touches(double point, int64_t size) { return point > -1 && point < static_cast<double>(size); }

// Between four pixels; those outside of the plane are the plane's `outside`.
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

// The pixel next to a point; halves to even.
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

int64_t size_of(const OpArgs& args, const char* name, int64_t fallback) {
  const int64_t size = args.integer(name, fallback);
  args.require(size >= 1 && size <= kMaxSize, "{}.c2: '{}' {} is not from 1 to 2^31-1",
               args.op().type, name, size);
  return size;
}

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
  const int64_t height = size_of(args, "target_height", 1);
  const int64_t width = size_of(args, "target_width", 1);
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

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

enum class Border { kConstant, kBorder, kReflection, kSymmetric };
enum class Units { kPixels, kMinusOneToOne, kZeroToOne };

struct Resample {
  bool is_nearest = false, align_corners = false;
  Border border = Border::kConstant;
  Units units = Units::kPixels;
};

template <typename T, size_t N>
T choice(const OpArgs& args, const char* name, const char* rule,
         const std::pair<std::string_view, T> (&choices)[N]) {
  const std::string text = lower(args.text(name));
  for (const auto& [known, value] : choices) {
    if (known == text) return value;
  }
  args.refuse(fmt::format("{}.{}: {} '{}' is not known", args.op().type, rule, name, text));
}

Resample resample_of(const OpArgs& args) {
  static constexpr std::pair<std::string_view, bool> kModes[] = {{"bilinear", false},
                                                                 {"nearest", true}};
  static constexpr std::pair<std::string_view, Border> kBorders[] = {
      {"constant", Border::kConstant},
      {"border", Border::kBorder},
      {"reflection", Border::kReflection},
      {"symmetric", Border::kSymmetric}};
  static constexpr std::pair<std::string_view, Units> kUnits[] = {
      {"unnormalized", Units::kPixels},
      {"normalized_minus_one_to_one", Units::kMinusOneToOne},
      {"normalized_zero_to_one", Units::kZeroToOne}};
  return {choice(args, "sampling_mode", "c3", kModes), args.boolean("align_corners"),
          choice(args, "padding_mode", "c4", kBorders),
          choice(args, "coordinates_mode", "c5", kUnits)};
}

std::vector<Type> infer_resample(const OpArgs& args) {
  const Shape &x = image_shape(args), &points = args.shape("coordinates");
  args.require(points.size() == 4 && points[0] == x[0] && points[3] == 2,
               "resample.c2: coordinates {} are not [{}, H, W, 2]", to_string(points), x[0]);
  resample_of(args);
  args.number("padding_value");
  return {Type::tensor(args.type("x").dtype, {x[0], x[1], points[1], points[2]})};
}

double in_pixels(const Resample& r, double point, int64_t size) {
  const auto n = static_cast<double>(size);
  switch (r.units) {
    case Units::kPixels:
      return point;
    case Units::kMinusOneToOne:
      return r.align_corners ? (point + 1) / 2 * (n - 1) : ((point + 1) * n - 1) / 2;
    case Units::kZeroToOne:
      break;
  }
  return r.align_corners ? point * (n - 1) : point * n - 0.5;
}

// Folds a point back between `low` and `low` + `span`.
double reflected(double point, double low, double span) {
  if (span <= 0) return low;
  const double rest = std::fmod(std::abs(point - low), 2 * span);
  return low + (rest > span ? 2 * span - rest : rest);
}

double bordered(const Resample& r, double point, int64_t size) {
  const auto last = static_cast<double>(size - 1);
  if (r.border == Border::kConstant || std::isnan(point)) return point;
  if (r.border == Border::kReflection) point = reflected(point, 0, last);
  if (r.border == Border::kSymmetric) point = reflected(point, -0.5, last + 1);
  return std::clamp(point, 0.0, last);
}

void eval_resample(const EvalArgs& args) {
  const Resample r = resample_of(args);
  const TensorView &x = args.in("x"), &points = args.in("coordinates");
  const double outside = args.number("padding_value");
  const int64_t channels = x.shape[1], pixels = points.shape[1] * points.shape[2];
  for (int64_t i = 0; i < x.shape[0] * channels; ++i) {
    const Plane plane = plane_of(x, i, outside);
    for (int64_t j = 0; j < pixels; ++j) {
      const int64_t at = 2 * (i / channels * pixels + j);
      const Point p = {bordered(r, in_pixels(r, points.at(at + 1), plane.height), plane.height),
                       bordered(r, in_pixels(r, points.at(at), plane.width), plane.width)};
      args.out().set(i * pixels + j, r.is_nearest ? nearest(plane, p) : bilinear(plane, p));
    }
  }
}

// What coremltools takes is one choice of each parameter.
void check_affine_modes(const OpArgs& args) {
  const auto is = [&](const char* name, const char* value) {
    return lower(args.text(name)) == value;
  };
  args.require(is("sampling_mode", "bilinear") && is("padding_mode", "constant") &&
                   is("coordinates_mode", "normalized_minus_one_to_one") &&
                   args.number("padding_value") == 0 && args.boolean("align_corners"),
               "affine.c4: MIL has only sampling_mode bilinear, padding_mode constant with 0, "
               "coordinates_mode normalized_minus_one_to_one and align_corners");
}

std::vector<Type> infer_affine(const OpArgs& args) {
  const Shape &x = image_shape(args), &matrix = args.shape("transform_matrix");
  args.require(matrix.size() == 2 && matrix[1] == 6 && (matrix[0] == 1 || matrix[0] == x[0]),
               "affine.c3: transform_matrix {} is not [1 or {}, 6]", to_string(matrix), x[0]);
  check_affine_modes(args);
  return {Type::tensor(args.type("x").dtype, {x[0], x[1], size_of(args, "output_height", 1),
                                              size_of(args, "output_width", 1)})};
}

// Index `i` of `size` between -1 and 1.
double normalized(int64_t i, int64_t size) {
  return size == 1 ? 0 : 2 * static_cast<double>(i) / static_cast<double>(size - 1) - 1;
}

void eval_affine(const EvalArgs& args) {
  const TensorView &x = args.in("x"), &matrix = args.in("transform_matrix");
  const Resample r{false, true, Border::kConstant, Units::kMinusOneToOne};
  const int64_t channels = x.shape[1], height = args.out().shape[2], width = args.out().shape[3];
  int64_t to = 0;
  for (int64_t i = 0; i < x.shape[0] * channels; ++i) {
    const Plane plane = plane_of(x, i, 0);
    const int64_t first = matrix.shape[0] == 1 ? 0 : i / channels * 6;
    const auto row = [&](int64_t start, double u, double v) {
      return matrix.at(first + start) * u + matrix.at(first + start + 1) * v +
             matrix.at(first + start + 2);
    };
    for (int64_t j = 0; j < height * width; ++j) {
      const double u = normalized(j % width, width), v = normalized(j / width, height);
      const Point p = {in_pixels(r, row(3, u, v), plane.height),
                       in_pixels(r, row(0, u, v), plane.width)};
      args.out().set(to++, bilinear(plane, p));
    }
  }
}

const OpDef kOps[] = {
    {.name = "crop_resize",
     .params = kCropResize,
     .infer = infer_crop_resize,
     .eval = eval_crop_resize,
     .flops = ten_flops_each},
    {.name = "resample",
     .params = kResample,
     .infer = infer_resample,
     .eval = eval_resample,
     .flops = ten_flops_each},
    {.name = "affine",
     .params = kAffine,
     .infer = infer_affine,
     .eval = eval_affine,
     .flops = ten_flops_each},
};

}  // namespace

std::span<const OpDef> warping_ops() { return kOps; }

}  // namespace anemone
