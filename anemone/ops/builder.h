// Emits operations into a function, with types inferred and rules checked as they are built.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

// Every operation's result is named after the operation unless `named` is called; constants with
// the same content are made once.
class Builder {
 public:
  explicit Builder(Function& function) : function_(function) {}

  Function& function() { return function_; }
  Value input(std::string name, DType dtype, Shape shape);
  void output(std::string name, Value value);  // renames the value
  // Gives `value` a name (made unique) and returns it.
  Value named(std::string_view name, Value value);

  // Any operation, with all its outputs or the only one.
  std::vector<Value> ops(std::string_view type, std::vector<Argument> arguments);
  Value op(std::string_view type, std::vector<Argument> arguments);
  // One whose parameters are attributes, as those of constexpr_… are.
  Value op(std::string_view type, std::vector<Attribute> attributes);

  // Constants.
  Value constant(Literal literal, std::string_view name = "const");
  Value constant(Tensor tensor, std::string_view name = "const");
  Value integer(int64_t value);
  Value integers(const std::vector<int64_t>& values);
  Value boolean(bool value);
  Value text(std::string value);
  Value scalar(DType dtype, double value);

  // The operations that gradients and model builders use, with MIL's own names.
  Value binary(std::string_view type, Value x, Value y) { return op(type, {{"x", x}, {"y", y}}); }
  Value unary(std::string_view type, Value x) { return op(type, {{"x", x}}); }
  Value add(Value x, Value y) { return binary("add", x, y); }
  Value sub(Value x, Value y) { return binary("sub", x, y); }
  Value mul(Value x, Value y) { return binary("mul", x, y); }
  Value real_div(Value x, Value y) { return binary("real_div", x, y); }
  Value pow(Value x, Value y) { return binary("pow", x, y); }
  // With a scalar of x's type.
  Value add(Value x, double y) { return add(x, scalar(x->type.dtype, y)); }
  Value mul(Value x, double y) { return mul(x, scalar(x->type.dtype, y)); }
  Value pow(Value x, double y) { return pow(x, scalar(x->type.dtype, y)); }

  Value select(Value condition, Value a, Value b) {
    return op("select", {{"cond", condition}, {"a", a}, {"b", b}});
  }
  Value cast(Value x, DType dtype);
  // x itself where it has that type.
  Value in_type(Value x, DType dtype) { return x->type.dtype == dtype ? x : cast(x, dtype); }
  Value matmul(Value x, Value y, bool transpose_x = false, bool transpose_y = false);
  // 1x1 convolution: a linear layer on [1, C, 1, S]. weight: [O, C, 1, 1].
  Value conv1x1(Value x, Value weight);
  Value softmax(Value x, int64_t axis);
  Value reduce(std::string_view type, Value x, const std::vector<int64_t>& axes, bool keep_dims);
  Value reduce_sum(Value x, const std::vector<int64_t>& axes, bool keep_dims) {
    return reduce("reduce_sum", x, axes, keep_dims);
  }
  Value reshape(Value x, const Shape& shape);
  Value transpose(Value x, const std::vector<int64_t>& perm);
  Value expand_dims(Value x, const std::vector<int64_t>& axes);
  Value slice_by_size(Value x, const std::vector<int64_t>& begin, const std::vector<int64_t>& size);
  Value concat(const std::vector<Value>& values, int64_t axis);
  std::vector<Value> split(Value x, const std::vector<int64_t>& sizes, int64_t axis);
  Value tile(Value x, const std::vector<int64_t>& reps);
  Value fill(DType dtype, const Shape& shape, double value);

  // x as int8 on a grid of `scale`, and back to numbers of `dtype`.
  Value quantize(Value x, double scale);
  Value dequantize(Value quantized, DType dtype, double scale);
  // Packed weights with one scale for each index of `axis` (or one number), of which they take the
  // type.
  Value constexpr_affine_dequantize(Literal quantized, Tensor scale, int64_t axis);

  // Sums `gradient` over the axes along which `shape` was broadcast to it: what an operand of that
  // shape gets back.
  Value sum_to_shape(Value gradient, const Shape& shape);
  // A tensor of x's type and shape with every element `value`.
  Value full_like(Value x, double value) { return fill(x->type.dtype, x->type.shape, value); }

 private:
  std::vector<Value> emit(std::unique_ptr<Operation> op);

  Function& function_;
  std::map<std::string, Value> constants_;  // by type and bytes
};

}  // namespace anemone
