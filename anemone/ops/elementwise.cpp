#include "anemone/ops/elementwise.h"

#include <algorithm>

namespace anemone {

Shape broadcast_shapes(const OpArgs& args, const Shape& a, const Shape& b, std::string_view rule) {
  Shape result(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    args.require(x == y || x == 1 || y == 1, "{}: shapes {} and {} do not broadcast", rule,
                 to_string(a), to_string(b));
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

Shape broadcast_strides(const Shape& shape, const Shape& target) {
  const Shape own = row_major_strides(shape);
  Shape strides(target.size(), 0);
  const size_t extra = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1) strides[extra + i] = own[i];
  }
  return strides;
}

std::vector<Type> infer_like_x(const OpArgs& args) { return {args.type("x")}; }

double one_flop_each(const OpArgs& args) {
  return static_cast<double>(element_count(args.op().outputs[0]->type.shape));
}

double ten_flops_each(const OpArgs& args) { return 10 * one_flop_each(args); }

Grads chain(GradArgs& args, Value factor) {
  return {{args.value("x"), args.builder.mul(args.doutput(), factor)}};
}

Value as_number(Builder& b, Value mask, Value x) { return b.cast(mask, x->type.dtype); }

Grads zero_gradient(GradArgs&) { return {}; }

}  // namespace anemone
