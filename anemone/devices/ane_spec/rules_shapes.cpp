// How large and of what rank values are.
#include <algorithm>

#include "anemone/devices/ane_spec/rule_tools.h"

namespace anemone::ane {
namespace {

// Calls check(value, op) for inputs (op null) and results of operations, constants left out.
template <typename Check>
void for_each_value(const Function& function, Check&& check) {
  for (Value input : function.inputs) check(*input, nullptr);
  walk(function, [&](const Operation& op) {
    if (is_const(op)) return;
    for (Value output : op.outputs) check(*output, &op);
  });
}

template <typename... Values>
void report_value(Violations& out, const Variable& value, const Operation* op,
                  fmt::format_string<Values...> message, Values&&... values) {
  if (op) return report(out, *op, message, std::forward<Values>(values)...);
  report(out, value, message, std::forward<Values>(values)...);
}

// Axes of [N, C, H, W] counted from the back; what is in front of H is C, then N.
const char* axis_name(size_t axis, size_t rank) {
  if (axis + 1 == rank) return "width";
  if (axis + 2 == rank) return "height";
  return axis == (rank > 3 ? 1 : 0) ? "channels" : "batch";
}
int64_t axis_limit(size_t axis, size_t rank, const Limits& limits) {
  return axis + 2 >= rank ? limits.spatial : kMaxAxis;
}

// Only where the size first appears: what follows has the same cause.
bool an_operand_has(const Operation* op, int64_t size) {
  if (!op) return false;
  for (const Argument& argument : op->arguments) {
    for (const Operand& operand : argument.operands) {
      const Shape& shape = operand.type().shape;
      const bool seen = operand.value && !is_constant(operand);
      if (seen && std::find(shape.begin(), shape.end(), size) != shape.end()) return true;
    }
  }
  return false;
}

constexpr std::string_view kReshape = "reshape";

void extents(const Function& function, const Target& target, Violations& out) {
  const Limits limits = limits_of(family(target));
  for_each_value(function, [&](const Variable& value, const Operation* op) {
    const Shape& shape = value.type.shape;
    const bool flattened = op && op->type == kReshape;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      const int64_t most = axis_limit(axis, shape.size(), limits);
      if (shape[axis] <= most || (flattened && shape[axis] > kMaxAxis)) continue;
      if (an_operand_has(op, shape[axis])) continue;
      report_value(out, value, op, "'{}' {} has {} {}, more than {}", value.name, to_string(shape),
                   axis_name(axis, shape.size()), shape[axis], most);
    }
  });
}

void flattened_axes(const Function& function, const Target&, Violations& out) {
  for_each(function, kReshape, [&](const OpArgs& args) {
    const Shape& shape = args.op().outputs[0]->type.shape;
    for (const int64_t size : shape) {
      if (size <= kMaxAxis || an_operand_has(&args.op(), size)) continue;
      report(out, args.op(), "reshape to {} makes an axis of {}, more than {}", to_string(shape),
             size, kMaxAxis);
    }
  });
}

void ranks(const Function& function, const Target&, Violations& out) {
  for_each_value(function, [&](const Variable& value, const Operation* op) {
    if (value.type.rank() <= kMaxRank) return;
    report_value(out, value, op, "'{}' {} has rank {}, more than {}", value.name,
                 to_string(value.type.shape), value.type.rank(), kMaxRank);
  });
}

void conv_inputs(const Function& function, const Target&, Violations& out) {
  for_each(function, "conv", [&](const OpArgs& args) {
    const int64_t channels = args.shape("x")[1];
    if (channels > kMaxConvInputs && channels <= kMaxAxis) {
      report(out, args.op(), "conv of {} input channels, more than {}", channels, kMaxConvInputs);
    }
  });
}

// [1, C, 1, S] as tokens lie: images with rows of their own are another matter.
void token_lanes(const Function& function, const Target&, Violations& out) {
  for_each(function, "conv", [&](const OpArgs& args) {
    const Shape& x = args.shape("x");
    if (x.size() != 4 || x[2] != 1 || x[3] % kLanes == 0 || !is_input(args.value("x"))) return;
    report(out, args.op(), "conv of input '{}' {}: width {} is no multiple of {}",
           args.value("x")->name, to_string(x), x[3], kLanes);
  });
}

}  // namespace

std::span<const Rule> shape_rules() {
  static const Rule rules[] = {
      {.id = "ane.c10",
       .title = "conv has at most 16384 input channels",
       .effect = Effect::kCompileRefused,
       .workaround = "matmul [1, O, I] x [1, I, S], or slice the channels and add the parts",
       .evidence = "measured: maderix/ANE saw 32000 refused; the bound is inferred",
       .holds_for = everywhere,
       .check = conv_inputs},
      {.id = "ane.c11",
       .title = "height, width and channels are within the limits of the chip",
       .effect = Effect::kCompileRefused,
       .workaround = "split the axis into several operations",
       .evidence = "measured: ANEForge on M1, M2, M5; rustane on M3 Ultra",
       .holds_for = everywhere,
       .check = extents},
      {.id = "ane.c30",
       .title = "tokens that go into a conv come in multiples of 16",
       .effect = Effect::kEvaluationRefused,
       .workaround = "pad the width to a multiple of 16",
       .evidence = "measured: Orion and Espresso with tiny widths; the 16 is reported",
       .holds_for = everywhere,
       .check = token_lanes},
      {.id = "ane.c57",
       .title = "reshape makes no axis of more than 65536",
       .effect = Effect::kCompileRefused,
       .workaround = "keep the axes separate",
       .evidence = "measured: ANEForge issue 57",
       .holds_for = everywhere,
       .check = flattened_axes},
      {.id = "ane.c61",
       .title = "values have rank 5 at most",
       .effect = Effect::kCompileRefused,
       .workaround = "merge axes with reshape",
       .evidence = "measured: ANEForge; others kept to rank 4",
       .holds_for = everywhere,
       .check = ranks},
  };
  return rules;
}

}  // namespace anemone::ane
