// anemone.narrow_linear: a linear layer whose weights are stored in fewer bits than it computes in.
// A token needs each weight once, so that half of the bits is half of the time.
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

// x [1, C, 1, S], weight [O, C, 1, 1] of any float type, or int8 with a scale [O] for its rows in
// the type of x -> [1, O, 1, S] in the type of x.
constexpr Param kNarrowLinear[] = {param("x", Accepts::kFloat), param("weight", Accepts::kAny),
                                   optional_param("scale", Accepts::kFloat)};

std::vector<Type> infer_narrow_linear(const OpArgs& args) {
  const Shape &x = args.shape("x"), &weight = args.shape("weight");
  args.require(x.size() == 4 && x[0] == 1 && x[2] == 1,
               "anemone.narrow_linear.c1: x is {}, not [1, C, 1, S]", to_string(x));
  args.require(weight.size() == 4 && weight[1] == x[1] && weight[2] == 1 && weight[3] == 1,
               "anemone.narrow_linear.c2: weight is {}, not [O, {}, 1, 1]", to_string(weight),
               x[1]);
  const DType stored = args.type("weight").dtype;
  const bool is_int8 = stored == DType::kInt8;
  args.require(is_int8 ? args.has("scale") : is_float(stored) && !args.has("scale"),
               "anemone.narrow_linear.c3: a weight of {} {}", name(stored),
               is_int8            ? "needs a scale"
               : is_float(stored) ? "has no scale"
                                  : "is not known");
  args.require(!is_int8 || args.type("scale") == Type::tensor(args.type("x").dtype, {weight[0]}),
               "anemone.narrow_linear.c4: scale is {}, not {} numbers of the type of x",
               is_int8 ? to_string(args.type("scale")) : "", weight[0]);
  return {Type::tensor(args.type("x").dtype, {1, weight[0], 1, x[3]})};
}

void eval_narrow_linear(const EvalArgs& args) {
  const int64_t channels = args.shape("x")[1], columns = args.shape("x")[3];
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto x = args.in("x").as<T>(), out = args.out().as<T>();
    const TensorView weight = args.in("weight");
    const auto scale = args.has("scale") ? args.in("scale").as<T>() : std::span<T>();
    for (size_t i = 0; i < out.size(); ++i) {
      const auto row = static_cast<int64_t>(i) / columns, s = static_cast<int64_t>(i) % columns;
      double sum = 0;
      for (int64_t c = 0; c < channels; ++c) {
        sum += weight.at(row * channels + c) * x[static_cast<size_t>(c * columns + s)];
      }
      out[i] = static_cast<T>(scale.empty() ? sum : sum * scale[static_cast<size_t>(row)]);
    }
  });
}

double flops_narrow_linear(const OpArgs& args) {
  return 2.0 * static_cast<double>(element_count(args.shape("weight")) * args.shape("x")[3]);
}

std::vector<Value> decompose_narrow_linear(Builder& b, const OpArgs& args) {
  const Value x = args.value("x");
  const Value product = b.conv1x1(x, b.cast(args.value("weight"), x->type.dtype));
  if (!args.has("scale")) return {product};
  return {b.mul(product, b.reshape(args.value("scale"), {1, product->type.shape[1], 1, 1}))};
}

const OpDef kOps[] = {
    {.name = "anemone.narrow_linear",
     .params = kNarrowLinear,
     .infer = infer_narrow_linear,
     .eval = eval_narrow_linear,
     .flops = flops_narrow_linear,
     .decompose = decompose_narrow_linear,
     .traits = Trait::kProduct},
};

}  // namespace

std::span<const OpDef> composite_linear_ops() { return kOps; }

}  // namespace anemone
