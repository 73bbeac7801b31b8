// What the element-wise families share: broadcasting, mapping, and the usual rules.
#pragma once

#include "anemone/ops/builder.h"
#include "anemone/ops/op_def.h"

namespace anemone {

// numpy broadcasting of two shapes; refuses at `args` quoting `rule` where they do not fit.
Shape broadcast_shapes(const OpArgs& args, const Shape& a, const Shape& b, std::string_view rule);

// Element strides of a tensor of `shape` when it is read at the indices of `target`: 0 where it is
// broadcast.
Shape broadcast_strides(const Shape& shape, const Shape& target);

// Calls visit(linear index in `shape`, offset by strides) for every element, last axis fastest.
template <typename Visit>
void for_each_offset(const Shape& shape, const Shape& strides, Visit&& visit) {
  const int64_t count = element_count(shape);
  Shape index(shape.size(), 0);
  int64_t offset = 0;
  for (int64_t i = 0; i < count; ++i) {
    visit(i, offset);
    for (size_t axis = shape.size(); axis-- > 0;) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

// Same type as parameter "x".
std::vector<Type> infer_like_x(const OpArgs& args);

// One floating-point operation an output element.
double one_flop_each(const OpArgs& args);
// Several, for functions that are computed by a polynomial or an iteration.
double ten_flops_each(const OpArgs& args);

// out[i] = f(x[i]) in float or double.
template <typename F>
void map_float(const EvalArgs& args, F&& f) {
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto x = args.in("x").as<T>();
    const auto out = args.out().as<T>();
    for (size_t i = 0; i < x.size(); ++i) out[i] = static_cast<T>(f(x[i]));
  });
}
// The same for float, double and int32.
template <typename F>
void map_number(const EvalArgs& args, F&& f) {
  with_number(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto x = args.in("x").as<T>();
    const auto out = args.out().as<T>();
    for (size_t i = 0; i < x.size(); ++i) out[i] = static_cast<T>(f(x[i]));
  });
}

// dx = dy * factor.
Grads chain(GradArgs& args, Value factor);
// 1 where the bool `mask` holds, else 0, in the type of x.
Value as_number(Builder& b, Value mask, Value x);

// Gradient of functions that are constant almost everywhere (floor, sign, …).
Grads zero_gradient(GradArgs& args);

}  // namespace anemone
