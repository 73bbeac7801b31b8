// quantize, dequantize and constexpr_affine_dequantize: numbers on a grid of 256 steps.
#include "anemone/ops/quantization.h"

#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

constexpr Param kQuantize[] = {
    param("input", Accepts::kFloat), const_param("scale", Accepts::kFloat),
    optional_const("zero_point", Accepts::kByte), const_param("output_dtype", Accepts::kString),
    optional_const("axis", Accepts::kInteger)};
constexpr Param kDequantize[] = {
    param("input", Accepts::kByte), const_param("scale", Accepts::kFloat),
    optional_const("zero_point", Accepts::kByte), optional_const("axis", Accepts::kInteger)};
constexpr Param kConstexpr[] = {
    const_param("quantized_data", Accepts::kByte), const_param("zero_point", Accepts::kAny),
    const_param("scale", Accepts::kFloat), const_param("axis", Accepts::kInteger)};

// Where the slices of `shape` along the axis are; without an axis all is one slice.
AxisSplit split_of(const OpArgs& args, const Shape& shape) {
  const std::string& type = args.op().type;
  if (!args.literal("axis")) return {1, 1, element_count(shape)};
  return split_at(shape, args.axis(args.integer("axis"), shape.size(), type + ".c2"));
}

// .c1 and .c2, for what stands once or along the axis.
void check_parameter(const OpArgs& args, const Shape& shape, std::string_view name) {
  const Literal* given = args.literal(name);
  if (!given) return;
  const std::string& type = args.op().type;
  const Shape& own = given->type.shape;
  const AxisSplit split = split_of(args, shape);
  if (own.empty()) return;
  args.require(args.literal("axis") != nullptr, "{}.c1: {} is {}, but no axis is given", type, name,
               to_string(own));
  args.require(own == Shape{split.size}, "{}.c1: {} is {}, neither one number nor [{}]", type, name,
               to_string(own), split.size);
}

std::vector<Type> infer_quantize(const OpArgs& args) {
  const Type& input = args.type("input");
  const std::string target = args.text("output_dtype");
  const std::optional<DType> dtype = dtype_from_name(target);
  args.require(dtype == DType::kInt8 || dtype == DType::kUInt8,
               "quantize.c3: output_dtype is {}, not int8 or uint8", target);
  args.require(args.type("scale").dtype == input.dtype, "quantize.c4: scale is {}, input {}",
               to_string(args.type("scale")), to_string(input));
  args.require(!args.has("zero_point") || args.type("zero_point").dtype == *dtype,
               "quantize.c5: zero_point and output_dtype differ");
  for (const char* name : {"scale", "zero_point"}) check_parameter(args, input.shape, name);
  return {Type::tensor(*dtype, input.shape)};
}

std::vector<Type> infer_dequantize(const OpArgs& args) {
  const Type& input = args.type("input");
  if (args.has("zero_point")) {
    args.require(args.type("zero_point").dtype == input.dtype,
                 "dequantize.c3: zero_point is {}, input {}", to_string(args.type("zero_point")),
                 to_string(input));
  }
  for (const char* name : {"scale", "zero_point"}) check_parameter(args, input.shape, name);
  return {Type::tensor(args.type("scale").dtype, input.shape)};
}

std::vector<Type> infer_constexpr(const OpArgs& args) {
  const Type& data = args.literal("quantized_data")->type;
  const DType zero = args.literal("zero_point")->type.dtype;
  args.require(zero == data.dtype || zero == DType::kFp32,
               "constexpr_affine_dequantize.c3: zero_point is {}, neither {} nor fp32", name(zero),
               name(data.dtype));
  for (const char* name : {"scale", "zero_point"}) check_parameter(args, data.shape, name);
  return {Type::tensor(args.literal("scale")->type.dtype, data.shape)};
}

// Halves to even; NaN becomes the lowest.
template <typename T>
T to_grid(T x, T scale, T zero_point, ByteRange range) {
  const T y = std::nearbyint(x / scale) + zero_point;
  const T lowest = static_cast<T>(range.lowest), highest = static_cast<T>(range.highest);
  return y > lowest ? std::min(y, highest) : lowest;
}

void eval_quantize(const EvalArgs& args) {
  const TensorView &input = args.in("input"), &out = args.out();
  const ByteRange range = byte_range(out.dtype);
  with_float(input.dtype, [&](auto type) {
    using T = decltype(type);
    const auto x = input.as<T>();
    for (const AffineSlice& slice : affine_slices(args, input.shape)) {
      const T scale = static_cast<T>(slice.scale), zero = static_cast<T>(slice.zero_point);
      for (int64_t i = slice.begin; i < slice.begin + slice.count; ++i) {
        out.set(i, to_grid(x[static_cast<size_t>(i)], scale, zero, range));
      }
    }
  });
}

void from_grid(const OpArgs& args, const TensorView& stored, const TensorView& out) {
  for (const AffineSlice& slice : affine_slices(args, out.shape)) {
    for (int64_t i = slice.begin; i < slice.begin + slice.count; ++i) {
      out.set(i, slice.scale * (stored.at(i) - slice.zero_point));
    }
  }
}

void eval_dequantize(const EvalArgs& args) { from_grid(args, args.in("input"), args.out()); }

void eval_constexpr(const EvalArgs& args) {
  from_grid(args, *args.constant("quantized_data"), args.out());
}

const OpDef kOps[] = {
    {.name = "quantize",
     .params = kQuantize,
     .infer = infer_quantize,
     .eval = eval_quantize,
     .grad = zero_gradient,
     .flops = one_flop_each,
     .since = Opset::kIos17},
    {.name = "dequantize",
     .params = kDequantize,
     .infer = infer_dequantize,
     .eval = eval_dequantize,
     .grad = zero_gradient,
     .flops = one_flop_each,
     .since = Opset::kIos17},
    {.name = "constexpr_affine_dequantize",
     .params = kConstexpr,
     .infer = infer_constexpr,
     .eval = eval_constexpr,
     .grad = zero_gradient,
     .since = Opset::kIos16,
     .traits = Trait::kConstant | Trait::kPacked},
};

}  // namespace

std::vector<AffineSlice> affine_slices(const OpArgs& args, const Shape& shape) {
  const AxisSplit split = split_of(args, shape);
  const Tensor *scale = args.constant("scale"), *zero = args.constant("zero_point");
  const auto at = [](const Tensor& tensor, int64_t i) {
    return tensor.at(tensor.size() > 1 ? i : 0);
  };
  std::vector<AffineSlice> slices;
  const bool varies = scale->size() > 1 || (zero && zero->size() > 1);
  if (!varies) {
    return {{0, element_count(shape), scale->at(0), zero ? zero->at(0) : 0}};
  }
  for (int64_t slice = 0; slice < split.outer * split.size; ++slice) {
    const int64_t index = slice % split.size;
    slices.push_back(
        {slice * split.inner, split.inner, at(*scale, index), zero ? at(*zero, index) : 0});
  }
  return slices;
}

ByteRange byte_range(DType dtype) {
  ANEMONE_CHECK(dtype == DType::kInt8 || dtype == DType::kUInt8);
  return dtype == DType::kInt8 ? ByteRange{-128, 127} : ByteRange{0, 255};
}

std::span<const OpDef> quantization_ops() { return kOps; }

}  // namespace anemone
