// Images read at points that the program computes: resample and affine. No gradients.
#include <algorithm>
#include <cctype>
#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/sampled_points.h"

namespace anemone {
namespace {

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

class ResamplePoints final : public SampledPoints {
 public:
  explicit ResamplePoints(const OpArgs& args)
      : SampledPoints(args), mode_(resample_of(args)), outside_(args.number("padding_value")) {}

  std::string points_name() const override { return "coordinates"; }
  double outside() const override { return outside_; }
  bool is_nearest() const override { return mode_.is_nearest; }

  void row(const PointOperands& operands, int64_t stack, int64_t row,
           Point* points) const override {
    const Shape &x = args_.shape("x"), &all = operands.points->shape;
    const auto pixel = [&](double point, int64_t size) {
      return bordered(mode_, in_pixels(mode_, point, size), size);
    };
    int64_t at = 2 * (stack * all[1] + row) * all[2];
    for (int64_t j = 0; j < all[2]; ++j, at += 2) {
      points[j] = {pixel(operands.points->at(at + 1), x[2]), pixel(operands.points->at(at), x[3])};
    }
  }

 private:
  Resample mode_;
  double outside_;
};

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
  return {Type::tensor(args.type("x").dtype, {x[0], x[1], image_size(args, "output_height", 1),
                                              image_size(args, "output_width", 1)})};
}

// Index `i` of `size` between -1 and 1.
double normalized(int64_t i, int64_t size) {
  return size == 1 ? 0 : 2 * static_cast<double>(i) / static_cast<double>(size - 1) - 1;
}

class AffinePoints final : public SampledPoints {
 public:
  using SampledPoints::SampledPoints;

  std::string points_name() const override { return "transform_matrix"; }
  double outside() const override { return 0; }

  void row(const PointOperands& operands, int64_t stack, int64_t row,
           Point* points) const override {
    static constexpr Resample kMode{false, true, Border::kConstant, Units::kMinusOneToOne};
    const Shape &x = args_.shape("x"), &out = args_.op().outputs[0]->type.shape;
    const TensorView& matrix = *operands.points;
    const int64_t first = matrix.shape[0] == 1 ? 0 : stack * 6;
    const auto product = [&](int64_t start, double u, double v) {
      return matrix.at(first + start) * u + matrix.at(first + start + 1) * v +
             matrix.at(first + start + 2);
    };
    const double v = normalized(row, out[2]);
    for (int64_t j = 0; j < out[3]; ++j) {
      const double u = normalized(j, out[3]);
      points[j] = {in_pixels(kMode, product(3, u, v), x[2]),
                   in_pixels(kMode, product(0, u, v), x[3])};
    }
  }
};

void eval_resample(const EvalArgs& args) { eval_sampled(args, ResamplePoints(args)); }

void eval_affine(const EvalArgs& args) { eval_sampled(args, AffinePoints(args)); }

const OpDef kOps[] = {
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

std::unique_ptr<SampledPoints> points_of_warp(const OpArgs& args) {
  if (args.op().type == "affine") return std::make_unique<AffinePoints>(args);
  return std::make_unique<ResamplePoints>(args);
}

std::span<const OpDef> warping_ops() { return kOps; }

}  // namespace anemone
