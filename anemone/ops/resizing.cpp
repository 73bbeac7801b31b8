// Images of another size: upsample_…, resize_…, resize. Axis by axis a position of the result lies
// at a point of x's grid, between two elements.
#include "anemone/ops/resizing.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "anemone/base/arithmetic.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/indexing.h"

namespace anemone {
namespace {

constexpr Param kNearest[] = {param("x", Accepts::kFloat),
                              optional_const("scale_factor_height", Accepts::kNumber),
                              optional_const("scale_factor_width", Accepts::kNumber)};
constexpr Param kBilinear[] = {param("x", Accepts::kFloat),
                               optional_const("scale_factor_height", Accepts::kNumber),
                               optional_const("scale_factor_width", Accepts::kNumber),
                               optional_const("align_corners", Accepts::kBool),
                               optional_const("half_pixel_centers", Accepts::kBool)};
constexpr Param kToNearest[] = {param("x", Accepts::kFloat),
                                const_param("target_size_height", Accepts::kInteger),
                                const_param("target_size_width", Accepts::kInteger)};
constexpr Param kToBilinear[] = {param("x", Accepts::kFloat),
                                 optional_const("target_size_height", Accepts::kInteger),
                                 optional_const("target_size_width", Accepts::kInteger),
                                 optional_const("sampling_mode", Accepts::kString)};
constexpr Param kResize[] = {param("x", Accepts::kNumber), const_param("shape", Accepts::kInteger),
                             const_param("resized_dims", Accepts::kInteger),
                             optional_const("interpolation_mode", Accepts::kString),
                             optional_const("sampling_mode", Accepts::kString)};

constexpr int64_t kMaxSize = std::numeric_limits<int32_t>::max();

// floor(size * scale), multiplied in fp32.
int64_t scaled(const OpArgs& args, const char* name, int64_t size) {
  const double scale = args.number(name, 1.0);
  const double result = std::floor(static_cast<float>(size) * static_cast<float>(scale));
  args.require(result >= 1 && result <= static_cast<double>(kMaxSize),
               "{}.c2: '{}' {} does not make 1 to 2^31-1 of {}", args.op().type, name, scale, size);
  return static_cast<int64_t>(result);
}

int64_t target(const OpArgs& args, const char* name) {
  const int64_t size = args.integer(name, 1);
  args.require(size >= 1 && size <= kMaxSize, "{}.c2: '{}' {} is not from 1 to 2^31-1",
               args.op().type, name, size);
  return size;
}

Resize image_resize(const OpArgs& args) {
  const Shape& x = args.shape("x");
  args.require(x.size() >= 3, "{}.c1: x {} has no three axes", args.op().type, to_string(x));
  return {x, x.size() - 2};
}

Resize upsampling(const OpArgs& args) {
  Resize r = image_resize(args);
  r.result[r.first] = scaled(args, "scale_factor_height", r.result[r.first]);
  r.result[r.first + 1] = scaled(args, "scale_factor_width", r.result[r.first + 1]);
  r.nearest = r.repeats = args.op().type == "upsample_nearest_neighbor";
  if (r.nearest) return r;
  const bool align = args.boolean("align_corners", true);
  const bool half = args.boolean("half_pixel_centers", !align);
  args.require(!align || !half,
               "upsample_bilinear.c3: align_corners and half_pixel_centers are "
               "different grids; only one can be");
  r.sampling = align  ? Sampling::kStrictAlignCorners
               : half ? Sampling::kUnalignCorners
                      : Sampling::kDefault;
  return r;
}

Resize to_target(const OpArgs& args) {
  Resize r = image_resize(args);
  r.result[r.first] = target(args, "target_size_height");
  r.result[r.first + 1] = target(args, "target_size_width");
  r.nearest = args.op().type == "resize_nearest_neighbor";
  r.sampling = r.nearest ? Sampling::kUnalignCorners
                         : sampling_of(args, "sampling_mode", "resize_bilinear.c3");
  return r;
}

// `shape` says the sizes of the last axes; only the last `resized_dims` of them count, and 0 keeps
// x's size.
Resize general_resize(const OpArgs& args) {
  const Shape &x = args.shape("x"), shape = args.integers("shape");
  const int64_t count = args.integer("resized_dims");
  args.require(
      shape.size() <= x.size() && count >= 0 && count <= static_cast<int64_t>(shape.size()),
      "resize.c1: {} of {} sizes do not resize x {}", count, shape.size(), to_string(x));
  Resize r{x, x.size() - static_cast<size_t>(count)};
  for (size_t axis = r.first; axis < x.size(); ++axis) {
    const int64_t size = shape[shape.size() - x.size() + axis];
    args.require(size >= 0 && size <= kMaxSize, "resize.c2: size {} is not from 0 to 2^31-1", size);
    if (size > 0) r.result[axis] = size;
  }
  const std::string mode = args.text("interpolation_mode", "LINEAR");
  args.require(mode == "LINEAR" || mode == "NEAREST_NEIGHBOR",
               "resize.c3: interpolation_mode '{}' is not LINEAR or NEAREST_NEIGHBOR", mode);
  r.nearest = mode != "LINEAR";
  r.sampling = sampling_of(args, "sampling_mode", "resize.c4");
  return r;
}

std::vector<AxisTaps> all_taps(const Resize& r, const Shape& x) {
  std::vector<AxisTaps> taps;
  for (size_t axis = r.first; axis < x.size(); ++axis) {
    taps.push_back(taps_of(r, x[axis], r.result[axis]));
  }
  return taps;
}

std::vector<Type> infer(const OpArgs& args) {
  return {Type::tensor(args.type("x").dtype, resize_of(args).result)};
}

// The value at a point of the last axes from `axis` on: elements that weigh nothing are not read.
template <typename T>
double sample(const T* x, const std::vector<AxisTaps>& taps, const Shape& strides,
              const Shape& index, size_t axis) {
  if (axis == taps.size()) return static_cast<double>(*x);
  const auto i = static_cast<size_t>(index[axis]);
  const T* low = x + taps[axis].low[i] * strides[axis];
  const double at_low = sample(low, taps, strides, index, axis + 1), part = taps[axis].part[i];
  if (part == 0) return at_low;
  const double at_high = sample(low + strides[axis], taps, strides, index, axis + 1);
  return at_low * (1 - part) + at_high * part;
}

template <typename T>
void resize_numbers(const Resize& r, const TensorView& x, const TensorView& out) {
  const std::vector<AxisTaps> taps = all_taps(r, x.shape);
  const auto first = static_cast<std::ptrdiff_t>(r.first);
  const Shape from(x.shape.begin() + first, x.shape.end());
  const Shape to(r.result.begin() + first, r.result.end());
  const Shape strides = row_major_strides(from);
  const int64_t from_count = element_count(from), to_count = element_count(to);
  const T* image = x.as<T>().data();
  T* next = out.as<T>().data();
  for (int64_t i = 0; i < out.size() / to_count; ++i, image += from_count) {
    Shape index(to.size(), 0);
    for (int64_t j = 0; j < to_count; ++j) {
      const double value = sample(image, taps, strides, index, 0);
      if constexpr (std::is_integral_v<T>) *next++ = wrap_to<T>(value);
      if constexpr (!std::is_integral_v<T>) *next++ = static_cast<T>(value);
      for (size_t axis = to.size(); axis-- > 0;) {
        if (++index[axis] < to[axis]) break;
        index[axis] = 0;
      }
    }
  }
}

void eval(const EvalArgs& args) {
  const Resize r = resize_of(args);
  with_number(args.out().dtype,
              [&](auto type) { resize_numbers<decltype(type)>(r, args.in("x"), args.out()); });
}

Value list_of(Builder& b, const std::vector<int64_t>& numbers) { return b.integers(numbers); }

// Weights along `axis`, to multiply with a value of `rank` axes.
Value weights_along(Builder& b, DType dtype, const std::vector<double>& weights, size_t axis,
                    size_t rank) {
  Shape shape(rank, 1);
  shape[axis] = static_cast<int64_t>(weights.size());
  return b.constant(Tensor::of<double>(shape, weights).cast(dtype));
}

// dy along one axis put back where it came from.
Value gather_back(Builder& b, Value dy, const AxisTaps& taps, size_t axis, int64_t size) {
  Shape shape = dy->type.shape;
  shape[axis] = size;
  const DType dtype = dy->type.dtype;
  const auto number = static_cast<int64_t>(axis);
  const Value zeros = b.fill(dtype, shape, 0);
  const bool exact =
      std::all_of(taps.part.begin(), taps.part.end(), [](double p) { return p == 0; });
  if (exact) return scatter(b, "scatter", zeros, list_of(b, taps.low), dy, number, "add");
  std::vector<int64_t> high = taps.low;
  std::vector<double> kept = taps.part;
  for (size_t i = 0; i < high.size(); ++i) {
    if (taps.part[i] > 0) ++high[i];
    kept[i] = 1 - taps.part[i];
  }
  const size_t rank = shape.size();
  const Value low_part = b.mul(dy, weights_along(b, dtype, kept, axis, rank));
  const Value high_part = b.mul(dy, weights_along(b, dtype, taps.part, axis, rank));
  const Value sum = scatter(b, "scatter", zeros, list_of(b, taps.low), low_part, number, "add");
  return scatter(b, "scatter", sum, list_of(b, high), high_part, number, "add");
}

Grads grad(GradArgs& args) {
  const Resize r = resize_of(args);
  const Shape& x = args.shape("x");
  Value dx = args.doutput();
  for (size_t axis = r.first; axis < x.size(); ++axis) {
    if (x[axis] == r.result[axis] && r.sampling != Sampling::kOffsetCorners) continue;
    dx = gather_back(args.builder, dx, taps_of(r, x[axis], r.result[axis]), axis, x[axis]);
  }
  return {{args.value("x"), dx}};
}

constexpr OpDef resizing(std::string_view name, std::span<const Param> params,
                         Trait traits = Trait::kNone, Opset since = Opset::kIos15) {
  return {.name = name,
          .params = params,
          .infer = infer,
          .eval = eval,
          .grad = grad,
          .flops = ten_flops_each,
          .since = since,
          .traits = traits};
}

const OpDef kOps[] = {
    resizing("upsample_nearest_neighbor", kNearest, Trait::kExact),
    resizing("upsample_bilinear", kBilinear),
    resizing("resize_nearest_neighbor", kToNearest, Trait::kExact),
    resizing("resize_bilinear", kToBilinear),
    resizing("resize", kResize, Trait::kNone, Opset::kIos17),
};

}  // namespace

Resize resize_of(const OpArgs& args) {
  const std::string& op = args.op().type;
  if (op == "resize") return general_resize(args);
  return op.starts_with("upsample") ? upsampling(args) : to_target(args);
}

AxisTaps taps_of(const Resize& r, int64_t from, int64_t to) {
  AxisTaps taps;
  for (int64_t i = 0; i < to; ++i) {
    if (r.repeats) {
      taps.low.push_back(i * from / to);
      taps.part.push_back(0);
      continue;
    }
    const double point = grid_point(r.sampling, i, from, to);
    const double low = std::floor(r.nearest ? point + 0.5 : point);
    taps.low.push_back(std::min(static_cast<int64_t>(low), from - 1));
    taps.part.push_back(r.nearest || taps.low.back() == from - 1 ? 0 : point - low);
  }
  return taps;
}

std::span<const OpDef> resizing_ops() { return kOps; }

}  // namespace anemone
