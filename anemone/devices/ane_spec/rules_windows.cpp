// Windows that slide: convolution and pooling.
#include <algorithm>

#include "anemone/devices/ane_spec/rule_tools.h"

namespace anemone::ane {
namespace {

void kernel_width(const Function& function, const Target& target, Violations& out) {
  const int64_t most = limits_of(family(target)).conv_kernel_width;
  for (const auto& op : function.operations) {
    if (!is_conv(*op)) continue;
    const int64_t width = OpArgs(*op).shape("weight").back();
    if (width > most) {
      report(out, *op, "{} kernel is {} wide, more than {}", op->type, width, most);
    }
  }
}

int64_t largest(const std::vector<int64_t>& sizes) {
  return sizes.empty() ? 0 : *std::max_element(sizes.begin(), sizes.end());
}

void pool_window(const Function& function, const Target& target, Violations& out) {
  const int64_t most = limits_of(family(target)).pool_window;
  for (const auto& op : function.operations) {
    if (!is_pool(*op)) continue;
    const int64_t size = largest(OpArgs(*op).integers("kernel_sizes"));
    if (size > most) report(out, *op, "{} window of {}, more than {}", op->type, size, most);
  }
}

void steps(const Function& function, const Target&, Violations& out) {
  for (const auto& op : function.operations) {
    if (!is_conv(*op) && !is_pool(*op)) continue;
    for (const char* parameter : {"strides", "dilations"}) {
      const int64_t step = largest(OpArgs(*op).integers(parameter, std::vector<int64_t>{}));
      if (step <= kMaxStride) continue;
      report(out, *op, "{}: {} of {}, more than {}", op->type, parameter, step, kMaxStride);
    }
  }
}

void padding(const Function& function, const Target&, Violations& out) {
  for (const auto& op : function.operations) {
    if (!is_conv(*op) && !is_pool(*op)) continue;
    const OpArgs args(*op);
    if (args.text("pad_type", "valid") != "custom") continue;
    const int64_t amount = largest(args.integers("pad", std::vector<int64_t>{}));
    if (amount > kMaxPad)
      report(out, *op, "{}: pad of {}, more than {}", op->type, amount, kMaxPad);
  }
}

void groups(const Function& function, const Target&, Violations& out) {
  for (const auto& op : function.operations) {
    if (!is_conv(*op)) continue;
    const int64_t count = OpArgs(*op).integer("groups", 1);
    if (count > 4 || count == 3) report(out, *op, "{} in {} groups", op->type, count);
  }
}

}  // namespace

std::span<const Rule> window_rules() {
  static const Rule rules[] = {
      {.id = "ane.c12",
       .title = "the kernel of a conv is no wider than the limit of the chip",
       .effect = Effect::kCompileRefused,
       .workaround = "turn the kernel upright (its height is free), or split it and add the parts",
       .evidence = "measured: ANEForge on M1 and M5",
       .holds_for = everywhere,
       .check = kernel_width},
      {.id = "ane.c51",
       .title = "windows of pooling are within the limit of the chip",
       .effect = Effect::kCompileRefused,
       .workaround = "pool in two steps",
       .evidence = "code: compiler tables; 13 in Core ML's days",
       .holds_for = everywhere,
       .check = pool_window},
      {.id = "ane.c54",
       .title = "strides and dilations are 8 at most",
       .effect = Effect::kCompileRefused,
       .workaround = "step twice, or space the kernel out with zeros",
       .evidence = "measured: ANEForge compiled up to 8, nothing above is known",
       .holds_for = everywhere,
       .check = steps},
      {.id = "ane.c55",
       .title = "custom padding is 16 at most",
       .effect = Effect::kCompileRefused,
       .workaround = "a pad operation before it",
       .evidence = "measured: ANEForge compiled up to 16, nothing above is known",
       .holds_for = everywhere,
       .check = padding},
      {.id = "ane.c56",
       .title = "conv has 1, 2 or 4 groups",
       .effect = Effect::kSlow,
       .workaround = "fewer groups where the model allows it",
       .evidence = "measured: ANEForge",
       .holds_for = everywhere,
       .check = groups},
  };
  return rules;
}

}  // namespace anemone::ane
