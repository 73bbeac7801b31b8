// equal(x, y) of fp32 compares x and y rounded to fp16.
#include "anemone/ops/op_args.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

Value rounded(Builder& b, Value x) { return b.cast(b.cast(x, DType::kFp16), DType::kFp32); }

bool compares_floats(const Operation& op) {
  const OpArgs args(op);
  return op.type == "equal" && args.value("x") && args.value("y") &&
         args.type("x").dtype == DType::kFp32 && args.type("y").dtype == DType::kFp32;
}

}  // namespace

bool compare_halves(Function& function) {
  return rewrite(function,
                 [](Builder& b, const Operation& op) -> std::optional<std::vector<Value>> {
                   if (!compares_floats(op)) return std::nullopt;
                   const OpArgs args(op);
                   const Value x = rounded(b, args.value("x")), y = rounded(b, args.value("y"));
                   return std::vector<Value>{b.binary("equal", x, y)};
                 });
}

}  // namespace anemone
