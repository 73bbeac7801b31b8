#include "anemone/ops/builder.h"

#include <cstring>

#include "anemone/ops/verify.h"

namespace anemone {

Value Builder::input(std::string name, DType dtype, Shape shape) {
  return function_.add_input(std::move(name), Type::tensor(dtype, std::move(shape)));
}

void Builder::output(std::string name, Value value) {
  function_.rename(value, std::move(name));
  function_.outputs.push_back(value);
}

Value Builder::named(std::string_view name, Value value) {
  function_.rename(value, function_.fresh_name(name));
  return value;
}

std::vector<Value> Builder::ops(std::string_view type, std::vector<Argument> arguments) {
  auto op = std::make_unique<Operation>();
  op->type = type;
  op->arguments = std::move(arguments);
  return emit(std::move(op));
}

std::vector<Value> Builder::emit(std::unique_ptr<Operation> op) {
  const std::string base = op->type.substr(op->type.rfind('.') + 1);
  op->version = opset_from_name(function_.opset);
  for (Type& output : infer_types(*op)) {
    op->outputs.push_back(
        function_.add_variable(function_.fresh_name(base), std::move(output), op.get()));
  }
  function_.operations.push_back(std::move(op));
  return function_.operations.back()->outputs;
}

Value Builder::op(std::string_view type, std::vector<Argument> arguments) {
  const std::vector<Value> outputs = ops(type, std::move(arguments));
  ANEMONE_CHECK(outputs.size() == 1);
  return outputs[0];
}

Value Builder::op(std::string_view type, std::vector<Attribute> attributes) {
  auto op = std::make_unique<Operation>();
  op->type = type;
  op->attributes = std::move(attributes);
  const std::vector<Value> outputs = emit(std::move(op));
  ANEMONE_CHECK(outputs.size() == 1);
  return outputs[0];
}

Value Builder::constant(Literal literal, std::string_view name) {
  std::string key = to_string(literal.type);
  for (const std::string& text : literal.strings) key += "|" + text;
  if (literal.tensor) {
    key.append(static_cast<const char*>(literal.tensor->data()), literal.tensor->bytes());
  }
  if (literal.blob) key += "|" + literal.blob->path + "|" + std::to_string(literal.blob->offset);
  if (const auto known = constants_.find(key); known != constants_.end()) return known->second;
  auto op = std::make_unique<Operation>();
  op->type = "const";
  const std::string unique = function_.fresh_name(name);
  Value value = function_.add_variable(unique, literal.type, op.get());
  op->attributes.push_back({"val", std::move(literal)});
  op->outputs = {value};
  function_.operations.push_back(std::move(op));
  constants_.emplace(std::move(key), value);
  return value;
}

Value Builder::constant(Tensor tensor, std::string_view name) {
  return constant(Literal::of(std::move(tensor)), name);
}

Value Builder::integer(int64_t value) {
  return constant(Literal::scalar(static_cast<int32_t>(value)), "int");
}

Value Builder::integers(const std::vector<int64_t>& values) {
  const std::vector<int32_t> narrow(values.begin(), values.end());
  return constant(Tensor::of<int32_t>({static_cast<int64_t>(values.size())}, narrow), "ints");
}

Value Builder::boolean(bool value) { return constant(Literal::scalar(value), "bool"); }

Value Builder::text(std::string value) { return constant(Literal::of(std::move(value)), "text"); }

Value Builder::scalar(DType dtype, double value) {
  Tensor tensor(dtype, {});
  tensor.view().set(0, value);
  return constant(std::move(tensor), "scalar");
}

Value Builder::cast(Value x, DType dtype) {
  return op("cast", {{"x", x}, {"dtype", text(std::string(name(dtype)))}});
}

Value Builder::matmul(Value x, Value y, bool transpose_x, bool transpose_y) {
  return op("matmul", {{"x", x},
                       {"y", y},
                       {"transpose_x", boolean(transpose_x)},
                       {"transpose_y", boolean(transpose_y)}});
}

Value Builder::conv1x1(Value x, Value weight) {
  return op("conv", {{"x", x},
                     {"weight", weight},
                     {"strides", integers({1, 1})},
                     {"pad_type", text("valid")},
                     {"pad", integers({0, 0, 0, 0})},
                     {"dilations", integers({1, 1})},
                     {"groups", integer(1)}});
}

Value Builder::softmax(Value x, int64_t axis) {
  return op("softmax", {{"x", x}, {"axis", integer(axis)}});
}

Value Builder::reduce(std::string_view type, Value x, const std::vector<int64_t>& axes,
                      bool keep_dims) {
  return op(type, {{"x", x}, {"axes", integers(axes)}, {"keep_dims", boolean(keep_dims)}});
}

Value Builder::reshape(Value x, const Shape& shape) {
  if (x->type.shape == shape) return x;
  return op("reshape", {{"x", x}, {"shape", integers(shape)}});
}

Value Builder::transpose(Value x, const std::vector<int64_t>& perm) {
  return op("transpose", {{"x", x}, {"perm", integers(perm)}});
}

Value Builder::expand_dims(Value x, const std::vector<int64_t>& axes) {
  return op("expand_dims", {{"x", x}, {"axes", integers(axes)}});
}

Value Builder::slice_by_size(Value x, const std::vector<int64_t>& begin,
                             const std::vector<int64_t>& size) {
  return op("slice_by_size", {{"x", x}, {"begin", integers(begin)}, {"size", integers(size)}});
}

Value Builder::concat(const std::vector<Value>& values, int64_t axis) {
  const std::vector<Operand> operands(values.begin(), values.end());
  return op("concat",
            {{"values", operands}, {"axis", integer(axis)}, {"interleave", boolean(false)}});
}

std::vector<Value> Builder::split(Value x, const std::vector<int64_t>& sizes, int64_t axis) {
  return ops("split", {{"x", x}, {"split_sizes", integers(sizes)}, {"axis", integer(axis)}});
}

Value Builder::tile(Value x, const std::vector<int64_t>& reps) {
  return op("tile", {{"x", x}, {"reps", integers(reps)}});
}

Value Builder::fill(DType dtype, const Shape& shape, double value) {
  return op("fill", {{"shape", integers(shape)}, {"value", scalar(dtype, value)}});
}

Value Builder::quantize(Value x, double scale) {
  return op(
      "quantize",
      {{"input", x}, {"scale", scalar(x->type.dtype, scale)}, {"output_dtype", text("int8")}});
}

Value Builder::dequantize(Value quantized, DType dtype, double scale) {
  return op("dequantize", {{"input", quantized}, {"scale", scalar(dtype, scale)}});
}

Value Builder::constexpr_affine_dequantize(Literal quantized, Tensor scale, int64_t axis) {
  Tensor zero(quantized.type.dtype, {});
  return op("constexpr_affine_dequantize",
            std::vector<Attribute>{{"axis", Literal::scalar(static_cast<int32_t>(axis))},
                                   {"quantized_data", std::move(quantized)},
                                   {"scale", Literal::of(std::move(scale))},
                                   {"zero_point", Literal::of(std::move(zero))}});
}

Value Builder::sum_to_shape(Value gradient, const Shape& shape) {
  const Shape& from = gradient->type.shape;
  const size_t extra = from.size() - shape.size();
  std::vector<int64_t> axes;
  for (size_t i = 0; i < from.size(); ++i) {
    if (i < extra || (shape[i - extra] == 1 && from[i] != 1)) {
      axes.push_back(static_cast<int64_t>(i));
    }
  }
  if (axes.empty()) return gradient;
  return reshape(reduce_sum(gradient, axes, true), shape);
}

}  // namespace anemone
