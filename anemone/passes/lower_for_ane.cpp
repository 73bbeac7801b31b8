#include "anemone/ops/query.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

// [O, C, 1, 1] → [C, O, 1, 1]. A constant that is not loaded stays so, with another name.
Value transposed_constant(Builder& b, const Literal& weight, const std::string& name) {
  const int64_t rows = weight.type.shape[0], columns = weight.type.shape[1];
  Literal result;
  result.type = Type::tensor(weight.type.dtype, {columns, rows, 1, 1});
  if (!weight.tensor) {
    result.blob = weight.blob;
    if (result.blob) result.blob->path += ".transposed";
    return b.constant(std::move(result), name);
  }
  Tensor tensor(weight.type.dtype, result.type.shape);
  ANEMONE_CHECK(weight.type.dtype == DType::kFp16 || weight.type.dtype == DType::kFp32);
  const auto transpose = [&](const auto* from, auto* to) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
    }
  };
  if (weight.type.dtype == DType::kFp16) {
    transpose(static_cast<const uint16_t*>(weight.tensor->data()),
              static_cast<uint16_t*>(tensor.data()));
  } else {
    transpose(static_cast<const float*>(weight.tensor->data()), static_cast<float*>(tensor.data()));
  }
  return b.constant(Literal::of(std::move(tensor)), name);
}

Replacement lower_conv_transpose(Builder& b, const OpArgs& args) {
  const Value weight = args.value("weight");
  if (!weight || !is_linear_layer(args.op())) return std::nullopt;
  if (const Literal* constant = constant_of(weight)) {
    const Value turned = transposed_constant(b, *constant, weight->name + "_transposed");
    return std::vector{b.conv1x1(args.value("x"), turned)};
  }
  const Shape &x = args.shape("x"), &w = args.shape("weight");
  const Value matrix = b.reshape(weight, {1, 1, w[0], w[1]});
  const Value columns = b.reshape(args.value("x"), {1, 1, x[1], x[3]});
  return std::vector{b.reshape(b.matmul(matrix, columns, true, false), {1, w[1], 1, x[3]})};
}

Replacement lower_split(Builder& b, const OpArgs& args) {
  if (!args.value("x")) return std::nullopt;
  const Shape& shape = args.shape("x");
  const size_t axis = args.axis(args.integer("axis"), shape.size(), "split.c1");
  std::vector<int64_t> begin(shape.size(), 0);
  std::vector<Value> parts;
  for (Value output : args.op().outputs) {
    parts.push_back(b.slice_by_size(args.value("x"), begin, output->type.shape));
    begin[axis] += output->type.shape[axis];
  }
  return parts;
}

}  // namespace

bool lower_for_ane(Function& function) {
  return rewrite(function, {{"conv_transpose", lower_conv_transpose}, {"split", lower_split}});
}

}  // namespace anemone
