// Where numbers go wrong although everything runs.
#include "anemone/devices/ane_spec/rule_tools.h"

namespace anemone::ane {
namespace {

constexpr double kHidden = -60000;  // a negative score makes it -inf in fp16

// The first row, along the last axis, of which nothing is left; -1 where there is none.
int64_t hidden_row(const Tensor& mask) {
  const int64_t size = mask.shape().empty() ? 1 : mask.shape().back();
  if (size < 2) return -1;
  for (int64_t row = 0; row < mask.size() / size; ++row) {
    int64_t at = 0;
    while (at < size && mask.at(row * size + at) <= kHidden) ++at;
    if (at == size) return row;
  }
  return -1;
}

void masks(const Function& function, const Target&, Violations& out) {
  for_each(function, "add", [&](const OpArgs& args) {
    for (const char* side : {"x", "y"}) {
      const Literal* literal = Operation::constant(args.operand(side));
      if (!literal || !literal->tensor) continue;
      const int64_t row = hidden_row(*literal->tensor);
      if (row < 0) continue;
      report(out, args.op(), "the constant {} that is added hides all of row {}",
             to_string(literal->type.shape), row);
    }
  });
}

// First index along the last axis of a slice that does not begin there, else 0.
int64_t width_begin(const Operation& op) {
  const OpArgs args(op);
  const Shape& x = args.shape("x");
  if (x.empty()) return 0;
  if (args.has("axis")) {  // split
    const auto rank = static_cast<int64_t>(x.size());
    if (normalize_axis(args.integer("axis"), x.size()) + 1 != rank) return 0;
    return op.outputs[0]->type.shape.back();
  }
  const int64_t begin = args.integers("begin").back();
  if (args.has("size")) return begin;
  const std::vector<int64_t> mask = args.integers("begin_mask", std::vector<int64_t>{});
  if (!mask.empty() && mask.back()) return 0;
  return begin < 0 ? begin + x.back() : begin;
}

void clamped_slices(const Function& function, const Target&, Violations& out) {
  for_each(function, Trait::kSlice, [&](const OpArgs& args) {
    const int64_t begin = width_begin(args.op());
    if (begin == 0) return;
    report(out, args.op(), "{} begins at {} of the width: values beyond 4094 become inf",
           args.op().type, begin);
  });
}

}  // namespace

std::span<const Rule> numeric_rules() {
  static const Rule rules[] = {
      {.id = "ane.c41",
       .title = "constant masks leave something of every row",
       .effect = Effect::kSilentlyWrong,
       .workaround = "-10000 for what is hidden",
       .evidence = "inferred: the row becomes -inf; -65504 for parts of rows works",
       .holds_for = everywhere,
       .check = masks},
      {.id = "ane.c42",
       .title = "slices begin at the start of the width",
       .effect = Effect::kSilentlyWrong,
       .workaround = "slice another axis (transpose before and after), or keep values below 4094",
       .evidence = "measured: ANEForge on M1 and M2; clean on M4, M5, M6",
       .holds_for = [](const Target& target) { return limits_of(family(target)).slice_clamps; },
       .check = clamped_slices},
  };
  return rules;
}

}  // namespace anemone::ane
