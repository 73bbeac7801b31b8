// Tensors made from positions: one_hot, band_part, cumsum, range_1d, shape.
#include <cmath>
#include <limits>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

constexpr Param kOneHot[] = {
    param("indices", Accepts::kInteger), const_param("one_hot_vector_size", Accepts::kInteger),
    optional_const("axis", Accepts::kInteger), optional_const("on_value", Accepts::kAny),
    optional_const("off_value", Accepts::kAny)};
constexpr Param kBandPart[] = {param("x", Accepts::kAny),
                               optional_const("lower", Accepts::kInteger),
                               optional_const("upper", Accepts::kInteger)};
constexpr Param kCumsum[] = {
    param("x", Accepts::kNumber), optional_const("axis", Accepts::kInteger),
    optional_const("exclusive", Accepts::kBool), optional_const("reverse", Accepts::kBool)};
constexpr Param kRange[] = {const_param("end", Accepts::kNumber),
                            const_param("start", Accepts::kNumber),
                            const_param("step", Accepts::kNumber)};
constexpr Param kShape[] = {param("x", Accepts::kAny)};

size_t one_hot_axis(const OpArgs& args) {
  return args.axis(args.integer("axis", -1), args.shape("indices").size() + 1, "one_hot.c1");
}

std::vector<Type> infer_one_hot(const OpArgs& args) {
  const size_t axis = one_hot_axis(args);
  const int64_t size = args.integer("one_hot_vector_size");
  args.require(size > 0, "one_hot.c2: vector size {} is not positive", size);
  const DType on = args.has("on_value") ? args.type("on_value").dtype : DType::kInt32;
  const DType off = args.has("off_value") ? args.type("off_value").dtype : on;
  args.require(on == off, "one_hot.c3: on_value is {} and off_value {}", name(on), name(off));
  args.number("on_value", 1.0);
  args.number("off_value", 0.0);
  Shape shape = args.shape("indices");
  shape.insert(shape.begin() + static_cast<int64_t>(axis), size);
  return {Type::tensor(on, shape)};
}

// An index outside the vector gives only off values.
void eval_one_hot(const EvalArgs& args) {
  const TensorView &indices = args.in("indices"), &out = args.out();
  const AxisSplit split = split_at(out.shape, one_hot_axis(args));
  const double on = args.number("on_value", 1.0), off = args.number("off_value", 0.0);
  for (int64_t i = 0; i < out.size(); ++i) out.set(i, off);
  for (int64_t i = 0; i < indices.size(); ++i) {
    const double index = indices.at(i);
    if (index < 0 || index >= static_cast<double>(split.size)) continue;
    const int64_t row = i / split.inner * split.size + static_cast<int64_t>(index);
    out.set(row * split.inner + i % split.inner, on);
  }
}

std::vector<Type> infer_band_part(const OpArgs& args) {
  args.require(args.shape("x").size() >= 2, "band_part.c1: x {} is no matrix",
               to_string(args.shape("x")));
  args.integer("lower", -1);
  args.integer("upper", -1);
  return {args.type("x")};
}

void eval_band_part(const EvalArgs& args) {
  const int64_t lower = args.integer("lower", -1), upper = args.integer("upper", -1);
  const TensorView& out = args.out();
  const int64_t rows = out.shape[out.shape.size() - 2], columns = out.shape.back();
  convert(args.in("x"), out);
  for (int64_t i = 0; i < out.size(); ++i) {
    const int64_t below = i / columns % rows - i % columns;
    if ((lower >= 0 && below > lower) || (upper >= 0 && -below > upper)) out.set(i, 0);
  }
}

Grads grad_band_part(GradArgs& args) {
  Builder& b = args.builder;
  return {{args.value("x"), b.op("band_part", {{"x", args.doutput()},
                                               {"lower", b.integer(args.integer("lower", -1))},
                                               {"upper", b.integer(args.integer("upper", -1))}})}};
}

size_t cumsum_axis(const OpArgs& args) {
  return args.axis(args.integer("axis", 0), args.shape("x").size(), "cumsum.c1");
}

std::vector<Type> infer_cumsum(const OpArgs& args) {
  cumsum_axis(args);
  return {args.type("x")};
}

// Sums of a row of `count` elements, `step` apart (negative: from the end).
template <typename T>
void sum_row(const T* x, T* out, int64_t count, int64_t step, bool exclusive) {
  using Wide = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;  // integers wrap
  Wide sum{};
  for (int64_t i = 0; i < count; ++i) {
    const Wide next = sum + static_cast<Wide>(x[i * step]);
    out[i * step] = static_cast<T>(exclusive ? sum : next);
    sum = next;
  }
}

void eval_cumsum(const EvalArgs& args) {
  const bool exclusive = args.boolean("exclusive", false), reverse = args.boolean("reverse", false);
  const AxisSplit split = split_at(args.out().shape, cumsum_axis(args));
  with_number(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = args.in("x").as<T>().data();
    T* out = args.out().as<T>().data();
    for (int64_t row = 0; row < split.outer * split.inner; ++row) {
      int64_t start = row / split.inner * split.size * split.inner + row % split.inner;
      if (reverse) start += (split.size - 1) * split.inner;
      sum_row(x + start, out + start, split.size, reverse ? -split.inner : split.inner, exclusive);
    }
  });
}

Grads grad_cumsum(GradArgs& args) {
  Builder& b = args.builder;
  return {{args.value("x"),
           b.op("cumsum", {{"x", args.doutput()},
                           {"axis", b.integer(static_cast<int64_t>(cumsum_axis(args)))},
                           {"exclusive", b.boolean(args.boolean("exclusive", false))},
                           {"reverse", b.boolean(!args.boolean("reverse", false))}})}};
}

// Returns `value` rounded to a float type; as it is for integers.
double rounded(DType dtype, double value) {
  if (!is_float(dtype)) return value;
  const Tensor number(dtype, {});
  number.view().set(0, value);
  return number.at(0);
}

// Counts in the type of the operands, as numpy does: 0 to 0.3 in steps of 0.1 are three numbers in
// fp32 and four in real arithmetic on the stored fp32 numbers.
double range_count(DType dtype, double start, double end, double step) {
  return std::ceil(rounded(dtype, rounded(dtype, end - start) / step));
}

std::vector<Type> infer_range(const OpArgs& args) {
  const DType dtype = args.type("start").dtype;
  args.require(args.type("end").dtype == dtype && args.type("step").dtype == dtype,
               "range_1d.c1: start, end and step differ in type");
  const double start = args.number("start"), end = args.number("end"), step = args.number("step");
  const double count = range_count(dtype, start, end, step);
  args.require(step != 0 && count >= 1 && count <= std::numeric_limits<int32_t>::max(),
               "range_1d.c2: {} to {} in steps of {} is no list of 1 to 2^31-1 numbers", start, end,
               step);
  return {Type::tensor(dtype, {static_cast<int64_t>(count)})};
}

void eval_range(const EvalArgs& args) {
  const double start = args.number("start"), step = args.number("step");
  for (int64_t i = 0; i < args.out().size(); ++i) {
    args.out().set(i, start + static_cast<double>(i) * step);
  }
}

std::vector<Type> infer_shape(const OpArgs& args) {
  const auto rank = static_cast<int64_t>(args.shape("x").size());
  args.require(rank > 0, "shape.c1: a scalar has no sizes");
  return {Type::tensor(DType::kInt32, {rank})};
}

void eval_shape(const EvalArgs& args) {
  const Shape& shape = args.in("x").shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    args.out().as<int32_t>()[i] = static_cast<int32_t>(shape[i]);
  }
}

const OpDef kOps[] = {
    {.name = "one_hot", .params = kOneHot, .infer = infer_one_hot, .eval = eval_one_hot},
    {.name = "band_part",
     .params = kBandPart,
     .infer = infer_band_part,
     .eval = eval_band_part,
     .grad = grad_band_part},
    {.name = "cumsum",
     .params = kCumsum,
     .infer = infer_cumsum,
     .eval = eval_cumsum,
     .grad = grad_cumsum,
     .flops = one_flop_each},
    {.name = "range_1d", .params = kRange, .infer = infer_range, .eval = eval_range},
    {.name = "shape",
     .params = kShape,
     .infer = infer_shape,
     .eval = eval_shape,
     .traits = Trait::kSizes},
};

}  // namespace

std::span<const OpDef> sequence_ops() { return kOps; }

}  // namespace anemone
