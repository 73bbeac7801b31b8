// const, fill and fill_like: values that come from the program itself.
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kConst[] = {const_param("val", Accepts::kAny)};
constexpr Param kFill[] = {const_param("shape", Accepts::kInteger),
                           optional_const("value", Accepts::kAny)};

constexpr Param kFillLike[] = {param("ref_tensor", Accepts::kAny),
                               optional_const("value", Accepts::kAny)};

std::vector<Type> infer_const(const OpArgs& args) {
  const Literal* value = args.op().attribute("val");
  args.require(value != nullptr, "const needs the attribute 'val'");
  return {value->type};
}

std::vector<Type> infer_fill(const OpArgs& args) {
  const std::vector<int64_t> shape = args.integers("shape");
  for (int64_t size : shape) args.require(size > 0, "fill.c1: size {} is not positive", size);
  const DType dtype = args.has("value") ? args.type("value").dtype : DType::kFp32;
  return {Type::tensor(dtype, shape)};
}

std::vector<Type> infer_fill_like(const OpArgs& args) {
  args.number("value", 0.0);
  const DType dtype = args.has("value") ? args.type("value").dtype : DType::kFp32;
  return {Type::tensor(dtype, args.shape("ref_tensor"))};
}

void eval_fill(const EvalArgs& args) {
  const double value = args.number("value", 0.0);
  for (int64_t i = 0; i < args.out().size(); ++i) args.out().set(i, value);
}

const OpDef kOps[] = {
    {.name = "const", .params = kConst, .infer = infer_const, .traits = Trait::kConstant},
    {.name = "fill",
     .params = kFill,
     .infer = infer_fill,
     .eval = eval_fill,
     .grad = zero_gradient,
     .traits = Trait::kFill},
    {.name = "fill_like",
     .params = kFillLike,
     .infer = infer_fill_like,
     .eval = eval_fill,
     .grad = zero_gradient,
     .since = Opset::kIos16},
};

}  // namespace

std::span<const OpDef> constant_ops() { return kOps; }

}  // namespace anemone
