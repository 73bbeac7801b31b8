// Which operations there are, and what each insists on.
#include <cmath>

#include "anemone/devices/ane_spec/operation_table.h"
#include "anemone/devices/ane_spec/rule_tools.h"

namespace anemone::ane {
namespace {

void attention_mask(const Function& function, const Target&, Violations& out) {
  for_each(function, "scaled_dot_product_attention", [&](const OpArgs& args) {
    if (!args.has("attn_mask")) return;
    report(out, args.op(), "attn_mask {} is ignored: every query sees every key",
           to_string(args.type("attn_mask")));
  });
}

void conv_bias(const Function& function, const Target&, Violations& out) {
  for_each(function, Trait::kConvolution, [&](const OpArgs& args) {
    if (args.has("bias")) report(out, args.op(), "{} has a bias", args.op().type);
  });
}

void interleave(const Function& function, const Target&, Violations& out) {
  for_each(function, "concat", [&](const OpArgs& args) {
    if (!args.has("interleave")) {
      report(out, args.op(), "concat does not say interleave = false");
    } else if (args.boolean("interleave")) {
      report(out, args.op(), "concat interleaves its values");
    }
  });
}

void softmax_axis(const Function& function, const Target&, Violations& out) {
  for_each(function, "softmax", [&](const OpArgs& args) {
    const Shape& x = args.shape("x");
    const int64_t axis = normalize_axis(args.integer("axis", -1), x.size());
    const int64_t size = x[static_cast<size_t>(axis)];
    if (size <= kShortSoftmax || size % kLanes == 0) return;
    report(out, args.op(), "softmax over {} elements, more than {} and no multiple of {}", size,
           kShortSoftmax, kLanes);
  });
}

void gelu_mode(const Function& function, const Target&, Violations& out) {
  for_each(function, "gelu", [&](const OpArgs& args) {
    if (!args.has("mode")) report(out, args.op(), "gelu does not say its mode");
  });
}

void log_epsilon(const Function& function, const Target&, Violations& out) {
  for_each(function, "log", [&](const OpArgs& args) {
    if (!args.has("epsilon")) report(out, args.op(), "log does not say its epsilon");
  });
}

void known_operations(const Function& function, const Target& target, Violations& out) {
  walk(function, [&](const Operation& op) {
    const AneOperation* row = find_ane_operation(op.type);
    if (!row) {
      report(out, op, "no source has seen {} on it", op.type);
    } else if (row->support == AneSupport::kRefused) {
      report(out, op, "it has no {}; instead: {}", op.type, row->instead);
    } else if (family(target) < row->since) {
      report(out, op, "{} came with M{}; instead: {}", op.type, static_cast<int>(row->since) - 12,
             row->instead);
    }
  });
}

bool is_zero_in_fp16(const Operand& operand) {
  const Literal* literal = Operation::constant(operand);
  if (!literal || !literal->tensor || literal->tensor->size() != 1) return false;
  return std::abs(literal->tensor->at(0)) <= 0x1p-25;
}

void reduced_times_zero(const Function& function, const Target&, Violations& out) {
  for_each(function, "mul", [&](const OpArgs& args) {
    const auto breaks = [&](const char* reduced, const char* zero) {
      const Value value = args.value(reduced);
      return value && value->producer && value->producer->type.starts_with("reduce_") &&
             is_zero_in_fp16(args.operand(zero));
    };
    if (breaks("x", "y") || breaks("y", "x")) {
      report(out, args.op(), "the result of a reduction is multiplied with zero");
    }
  });
}

// Seen from 1024 elements on.
void one_affine_term(const Function& function, const Target&, Violations& out) {
  for_each(function, "layer_norm", [&](const OpArgs& args) {
    if (args.has("gamma") == args.has("beta")) return;
    const char* given = args.has("gamma") ? "gamma" : "beta";
    const int64_t size = element_count(args.shape(given));
    if (size >= 1024) report(out, args.op(), "layer_norm over {} with {} alone", size, given);
  });
}

void reflecting_pad(const Function& function, const Target&, Violations& out) {
  for_each(function, "pad", [&](const OpArgs& args) {
    if (args.text("mode", "constant") == "reflect") report(out, args.op(), "pad reflects");
  });
}

bool casts_between(DType dtype) {
  return dtype == DType::kFp16 || dtype == DType::kFp32 || dtype == DType::kBool ||
         dtype == DType::kInt8 || dtype == DType::kUInt8 || dtype == DType::kInt16 ||
         dtype == DType::kUInt16;
}

void cast_types(const Function& function, const Target&, Violations& out) {
  for_each(function, "cast", [&](const OpArgs& args) {
    const DType from = args.type("x").dtype, to = args.op().outputs[0]->type.dtype;
    if (!casts_between(from) || !casts_between(to)) {
      report(out, args.op(), "cast from {} to {}", name(from), name(to));
    }
  });
}

void branches(const Function& function, const Target&, Violations& out) {
  walk(function, [&](const Operation& op) {
    const Argument* values = op.find("values");
    if (!values || values->operands.size() < kManyBranches) return;
    report(out, op, "{} joins {} values", op.type, values->operands.size());
  });
}

}  // namespace

std::span<const Rule> operation_rules() {
  static const Rule rules[] = {
      {.id = "ane.c3",
       .title = "scaled_dot_product_attention has no mask",
       .effect = Effect::kSilentlyWrong,
       .workaround = "matmul, mul, add of the mask, softmax, matmul",
       .evidence = "measured: maderix/ANE, four ways of giving it",
       .holds_for = everywhere,
       .check = attention_mask},
      {.id = "ane.c4",
       .title = "conv has no bias",
       .effect = Effect::kCompileRefused,
       .workaround = "add a constant [1, C, 1, 1] after it",
       .evidence = "measured: Orion",
       .holds_for = everywhere,
       .check = conv_bias},
      {.id = "ane.c5",
       .title = "concat says interleave = false",
       .effect = Effect::kCompileRefused,
       .workaround = "name the parameter; to interleave: stack, transpose, reshape",
       .evidence = "inferred: Orion's text left it out and failed, others name it",
       .holds_for = everywhere,
       .check = interleave},
      {.id = "ane.c7",
       .title = "softmax over more than 256 elements takes a multiple of 16",
       .effect = Effect::kCompileRefused,
       .workaround = "pad the axis with -10000",
       .evidence = "inferred: Espresso saw 257 refused, maderix ran 32000",
       .holds_for = everywhere,
       .check = softmax_axis},
      {.id = "ane.c8",
       .title = "gelu says its mode",
       .effect = Effect::kCompileRefused,
       .workaround = "name the mode, or write the tanh form out",
       .evidence = "reported: ANEForge; Orion saw gelu refused",
       .holds_for = everywhere,
       .check = gelu_mode},
      {.id = "ane.c13",
       .title = "operations are ones that the engine has",
       .effect = Effect::kCompileRefused,
       .workaround = "the message says what to write instead",
       .evidence = "measured: ANEForge's sweep of the vocabulary",
       .holds_for = everywhere,
       .check = known_operations},
      {.id = "ane.c64",
       .title = "the result of a reduction is not multiplied with zero",
       .effect = Effect::kCompileRefused,
       .workaround = "sub(t, t)",
       .evidence = "measured: ANEForge",
       .holds_for = everywhere,
       .check = reduced_times_zero},
      {.id = "ane.c65",
       .title = "layer_norm has gamma and beta, or neither",
       .effect = Effect::kCompileRefused,
       .workaround = "leave both out; mul and add after it",
       .evidence = "measured: ANEForge, from 1024 elements on",
       .holds_for = up_to_m2,
       .check = one_affine_term},
      {.id = "ane.c66",
       .title = "log says its epsilon",
       .effect = Effect::kCompileRefused,
       .workaround = "name epsilon",
       .evidence = "reported: ANEForge",
       .holds_for = everywhere,
       .check = log_epsilon},
      {.id = "ane.c67",
       .title = "cast is between fp16, fp32, bool and the types of ports",
       .effect = Effect::kCompileRefused,
       .workaround = "cast on the CPU",
       .evidence = "measured on M1: ANEForge",
       .holds_for = everywhere,
       .check = cast_types},
      {.id = "ane.c68",
       .title = "fewer than 12 values join in one operation",
       .effect = Effect::kSlow,
       .workaround = "join in two steps",
       .evidence = "measured: ANEForge, seconds of compile time",
       .holds_for = everywhere,
       .check = branches},
      {.id = "ane.c69",
       .title = "pad does not reflect",
       .effect = Effect::kCompileRefused,
       .workaround = "slice, reverse and concat the borders",
       .evidence = "code: compiler tables, no texture unit on M1",
       .holds_for = on_m1,
       .check = reflecting_pad},
  };
  return rules;
}

}  // namespace anemone::ane
