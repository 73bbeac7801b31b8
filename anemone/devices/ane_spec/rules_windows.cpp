// Windows that slide: convolution and pooling.
#include <algorithm>

#include "anemone/devices/ane_spec/rule_tools.h"

namespace anemone::ane {
namespace {

void kernel_width(const Function& function, const Target& target, Violations& out) {
  const int64_t most = limits_of(family(target)).conv_kernel_width;
  for_each(function, Trait::kConvolution, [&](const OpArgs& conv) {
    const int64_t width = conv.shape("weight").back();
    if (width > most) {
      report(out, conv.op(), "{} kernel is {} wide, more than {}", conv.op().type, width, most);
    }
  });
}

int64_t largest(const std::vector<int64_t>& sizes) {
  return sizes.empty() ? 0 : *std::max_element(sizes.begin(), sizes.end());
}

void pool_window(const Function& function, const Target& target, Violations& out) {
  const int64_t most = limits_of(family(target)).pool_window;
  for_each(function, Trait::kPool, [&](const OpArgs& pool) {
    const int64_t size = largest(pool.integers("kernel_sizes"));
    if (size <= most) return;
    report(out, pool.op(), "{} window of {}, more than {}", pool.op().type, size, most);
  });
}

constexpr Trait kSliding = Trait::kConvolution | Trait::kPool;

void steps(const Function& function, const Target&, Violations& out) {
  for_each(function, kSliding, [&](const OpArgs& args) {
    for (const char* parameter : {"strides", "dilations"}) {
      const int64_t step = largest(args.integers(parameter, std::vector<int64_t>{}));
      if (step <= kMaxStride) continue;
      report(out, args.op(), "{}: {} of {}, more than {}", args.op().type, parameter, step,
             kMaxStride);
    }
  });
}

void padding(const Function& function, const Target&, Violations& out) {
  for_each(function, kSliding, [&](const OpArgs& args) {
    if (args.text("pad_type", "valid") != "custom") return;
    const int64_t amount = largest(args.integers("pad", std::vector<int64_t>{}));
    if (amount <= kMaxPad) return;
    report(out, args.op(), "{}: pad of {}, more than {}", args.op().type, amount, kMaxPad);
  });
}

void groups(const Function& function, const Target&, Violations& out) {
  for_each(function, Trait::kConvolution, [&](const OpArgs& conv) {
    const int64_t count = conv.integer("groups", 1);
    if (count > 4 || count == 3) {
      report(out, conv.op(), "{} in {} groups", conv.op().type, count);
    }
  });
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
