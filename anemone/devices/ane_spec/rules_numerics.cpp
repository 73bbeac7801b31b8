// Where numbers go wrong although everything runs.
#include "anemone/devices/ane_spec/rule_tools.h"

namespace anemone::ane {
namespace {

constexpr int64_t kLookedAt = 1 << 22;  // elements of a mask
constexpr double kHidden = -60000;      // adding a negative score gives -inf in fp16

// What is wrong with a constant that is added to scores, or "".
std::string mask_fault(const Tensor& mask) {
  const int64_t row = mask.shape().empty() ? 1 : mask.shape().back();
  int64_t hidden = 0;
  for (int64_t i = 0; i < mask.size(); ++i) {
    const double value = mask.at(i);
    if (value < -65504) return fmt::format("element {} is -inf in fp16", i);
    hidden = i % row == 0 ? 0 : hidden;
    hidden += value <= kHidden;
    if (hidden == row && row > 1) return fmt::format("row {} hides everything", i / row);
  }
  return "";
}

void masks(const Function& function, const Target&, Violations& out) {
  for_each(function, "add", [&](const OpArgs& args) {
    for (const char* side : {"x", "y"}) {
      const Literal* literal = Operation::constant(args.operand(side));
      if (!literal || !literal->tensor || literal->tensor->size() > kLookedAt) continue;
      const std::string fault = mask_fault(*literal->tensor);
      if (!fault.empty()) report(out, args.op(), "of the constant that is added, {}", fault);
    }
  });
}

// First index along the last axis of a slice that does not begin there, else 0.
int64_t width_begin(const Operation& op) {
  const OpArgs args(op);
  const Shape& x = args.shape("x");
  if (x.empty()) return 0;
  if (op.type == "split") {
    const auto rank = static_cast<int64_t>(x.size());
    if (normalize_axis(args.integer("axis"), x.size()) + 1 != rank) return 0;
    return op.outputs[0]->type.shape.back();
  }
  const int64_t begin = args.integers("begin").back();
  if (op.type == "slice_by_size") return begin;
  const std::vector<int64_t> mask = args.integers("begin_mask", std::vector<int64_t>{});
  if (!mask.empty() && mask.back()) return 0;
  return begin < 0 ? begin + x.back() : begin;
}

void clamped_slices(const Function& function, const Target&, Violations& out) {
  for (const auto& op : function.operations) {
    if (op->type != "split" && op->type != "slice_by_size" && op->type != "slice_by_index") {
      continue;
    }
    const int64_t begin = width_begin(*op);
    if (begin == 0) continue;
    report(out, *op, "{} begins at {} of the width: values beyond 4094 become inf", op->type,
           begin);
  }
}

}  // namespace

std::span<const Rule> numeric_rules() {
  static const Rule rules[] = {
      {.id = "ane.c41",
       .title = "masks are finite and leave something of every row",
       .effect = Effect::kSilentlyWrong,
       .workaround = "-10000 for what is hidden",
       .evidence = "inferred from fp16; -65504 alone works",
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
