// equal(x, y) of fp32 compares x and y rounded to fp16.
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

bool is_fp32(const OpArgs& args, const char* name) {
  return args.value(name) && args.type(name).dtype == DType::kFp32;
}

Value rounded(Builder& b, Value x) { return b.cast(b.cast(x, DType::kFp16), DType::kFp32); }

Replacement compare(Builder& b, const OpArgs& args) {
  if (!is_fp32(args, "x") || !is_fp32(args, "y")) return std::nullopt;
  const Value x = rounded(b, args.value("x")), y = rounded(b, args.value("y"));
  return std::vector{b.binary("equal", x, y)};
}

}  // namespace

bool compare_halves(Function& function) { return rewrite(function, {{"equal", compare}}); }

}  // namespace anemone
