// Weights that are inputs of the program instead of being baked into it: how training avoids a
// compile for every step.
#include <array>

#include "anemone/devices/ane_spec/rule_tools.h"

namespace anemone::ane {
namespace {

// Calls check(args) for convolutions whose weight depends on an input.
template <typename Check>
void for_each_runtime_conv(const Function& function, Check&& check) {
  std::unordered_set<const Variable*> baked;  // made when the first is met
  for_each(function, Trait::kConvolution, [&](const OpArgs& args) {
    if (is_constant(args.operand("weight"))) return;
    if (baked.empty()) baked = baked_values(function);
    if (!baked.contains(args.value("weight"))) check(args);
  });
}

void grouped(const Function& function, const Target&, Violations& out) {
  for_each_runtime_conv(function, [&](const OpArgs& args) {
    const int64_t groups = args.integer("groups", 1);
    if (groups > 1) {
      report(out, args.op(), "{} with {} groups has a runtime weight", args.op().type, groups);
    }
  });
}

void batched(const Function& function, const Target&, Violations& out) {
  for_each_runtime_conv(function, [&](const OpArgs& args) {
    const int64_t batch = args.shape("x")[0];
    if (batch > 1) {
      report(out, args.op(), "{} of batch {} has a runtime weight", args.op().type, batch);
    }
  });
}

bool moves(const Operation& op) {
  static constexpr std::array kMoving = {"reshape", "transpose", "expand_dims", "squeeze", "pad"};
  for (const char* type : kMoving) {
    if (op.type == type) return true;
  }
  return false;
}

void moved(const Function& function, const Target&, Violations& out) {
  for_each_runtime_conv(function, [&](const OpArgs& args) {
    const Operation* first = nullptr;
    Value value = args.value("weight");
    while (value && value->producer && moves(*value->producer)) {
      first = value->producer;
      value = OpArgs(*first).value("x");
    }
    if (first && is_input(value)) {
      report(out, *first, "{} of runtime weight '{}' of a {}", first->type, value->name,
             args.op().type);
    }
  });
}

int64_t contraction(const OpArgs& args) {
  const Shape& x = args.shape("x");
  if (x.size() < 2) return x.empty() ? 1 : x[0];
  return args.boolean("transpose_x", false) ? x[x.size() - 2] : x.back();
}

void lanes_of_contraction(const Function& function, const Target&, Violations& out) {
  for_each(function, "matmul", [&](const OpArgs& args) {
    const bool runtime = !is_constant(args.operand("x")) && !is_constant(args.operand("y"));
    const int64_t size = contraction(args);
    if (runtime && size % 32 != 0) {
      report(out, args.op(), "matmul of two runtime values sums over {}, no multiple of 32", size);
    }
  });
}

}  // namespace

std::span<const Rule> runtime_weight_rules() {
  static const Rule rules[] = {
      {.id = "ane.c14",
       .title = "conv with a runtime weight has one group",
       .effect = Effect::kCompileRefused,
       .workaround = "a matmul for each group, or bake the weight",
       .evidence = "reported: maderix/ANE issue 47",
       .holds_for = on_m1,
       .check = grouped},
      {.id = "ane.c15",
       .title = "contraction of a matmul of runtime values is a multiple of 32",
       .effect = Effect::kSilentlyWrong,
       .workaround = "pad both operands with zeros to a multiple of 32",
       .evidence = "reported: maderix/ANE issue 47; zeros come out",
       .holds_for = on_m1,
       .check = lanes_of_contraction},
      {.id = "ane.c16",
       .title = "a runtime weight of a conv comes straight from its port",
       .effect = Effect::kEvaluationRefused,
       .workaround = "hand the weight in as [O, I, 1, 1]",
       .evidence = "reported: maderix/ANE issue 47",
       .holds_for = on_m1,
       .check = moved},
      {.id = "ane.c63",
       .title = "conv with a runtime weight has batch 1",
       .effect = Effect::kCompileRefused,
       .workaround = "put the batch into the width, or use matmul",
       .evidence = "measured: ANEForge, the compiler crashes",
       .holds_for = everywhere,
       .check = batched},
  };
  return rules;
}

}  // namespace anemone::ane
