// The program as a whole: its ports, its types, its size.
#include <algorithm>

#include "anemone/devices/ane_spec/rule_tools.h"
#include "anemone/ops/op_def.h"

namespace anemone::ane {
namespace {

// Calls check(port, op) for inputs (op null) and outputs (the operation that makes it).
template <typename Check>
void for_each_port(const Function& function, Check&& check) {
  for (Value input : function.inputs) check(*input, nullptr);
  for (Value output : function.outputs) check(*output, output->producer);
}

void report_port(Violations& out, const Variable& port, const Operation* op) {
  const char* side = op ? "output" : "input";
  if (op) return report(out, *op, "{} '{}' is {}", side, port.name, to_string(port.type));
  report(out, port, "{} '{}' is {}", side, port.name, to_string(port.type));
}

void fp32_ports(const Function& function, const Target&, Violations& out) {
  for_each_port(function, [&](const Variable& port, const Operation* op) {
    if (port.type.dtype == DType::kFp32) report_port(out, port, op);
  });
}

bool port_takes(DType dtype) {
  return dtype == DType::kFp16 || dtype == DType::kInt8 || dtype == DType::kUInt8 ||
         dtype == DType::kInt16 || dtype == DType::kUInt16;
}

void port_types(const Function& function, const Target& target, Violations& out) {
  for_each_port(function, [&](const Variable& port, const Operation* op) {
    const DType dtype = port.type.dtype;
    const bool said_already = dtype == DType::kFp32 && up_to_m2(target);  // ane.c19
    if (!port_takes(dtype) && !said_already) report_port(out, port, op);
  });
}

constexpr std::string_view kQuantize = "quantize";

// One finding for the whole program: there is one thing to change.
void computes_in_fp16(const Function& function, const Target&, Violations& out) {
  const Operation* first = nullptr;
  int count = 0;
  walk(function, [&](const Operation& op) {
    if (is_const(op) || is_cast(op) || op.outputs.empty()) return;
    const DType dtype = op.outputs[0]->type.dtype;
    if (dtype == DType::kFp16 || dtype == DType::kBool || op.type == kQuantize) return;
    if (count++ == 0) first = &op;
  });
  if (!first) return;
  const std::string_view dtype = name(first->outputs[0]->type.dtype);
  if (count == 1) return report(out, *first, "{} computes in {}", first->type, dtype);
  report(out, *first, "{} operations compute in {} or the like, this {} first", count, dtype,
         first->type);
}

// Small programs were seen working; the size where it begins to fail is a guess.
void sliced_inputs(const Function& function, const Target&, Violations& out) {
  int computing = 0;
  walk(function, [&](const Operation& op) { computing += !is_const(op); });
  if (computing < 16) return;
  for_each(function, "slice_by_index", [&](const OpArgs& args) {
    if (!is_input(args.value("x"))) return;
    report(out, args.op(), "slice_by_index of input '{}' in a program of {} operations",
           args.value("x")->name, computing);
  });
}

bool is_width_slice(const Operation& op) {
  return has_trait(op, Trait::kSlice) &&
         OpArgs(op).shape("x").back() != op.outputs[0]->type.shape.back();
}

bool scales(const Operation& op) {
  static constexpr std::string_view kTypes[] = {"mul", "sub"};
  return std::find(std::begin(kTypes), std::end(kTypes), op.type) != std::end(kTypes);
}

// Whether `value` is a slice along the width, perhaps scaled.
bool comes_from_width_slice(Value value) {
  for (int steps = 0; value && value->producer && steps < 3; ++steps) {
    const Operation& op = *value->producer;
    if (op.outputs[0]->type.shape.empty()) return false;
    if (is_width_slice(op)) return true;
    if (!scales(op)) return false;
    const OpArgs args(op);
    value = is_constant(args.operand("x")) ? args.value("y") : args.value("x");
  }
  return false;
}

void width_rotation(const Function& function, const Target&, Violations& out) {
  for_each(function, "concat", [&](const OpArgs& args) {
    const auto rank = static_cast<int64_t>(args.op().outputs[0]->type.rank());
    if (normalize_axis(args.integer("axis"), static_cast<size_t>(rank)) + 1 != rank) return;
    for (const Operand& operand : args.operands("values")) {
      if (!comes_from_width_slice(operand.value)) continue;
      return report(out, args.op(), "slices along the width are joined again along the width");
    }
  });
}

void baked_bytes(const Function& function, const Target&, Violations& out) {
  double bytes = 0;
  walk(function, [&](const Operation& op) {
    const double before = bytes;
    bytes += stored_bytes(op);
    if (before > kMaxWeightBytes || bytes <= kMaxWeightBytes) return;
    report(out, op, "with '{}' the program has {:.2f} GB of constants, more than {:.1f}",
           op.outputs[0]->name, bytes / 1e9, kMaxWeightBytes / 1e9);
  });
}

void depth(const Function& function, const Target&, Violations& out) {
  int attentions = 0;
  for_each(function, {"softmax", "scaled_dot_product_attention"}, [&](const OpArgs& args) {
    if (++attentions != kMaxAttentions + 1) return;
    report(out, args.op(), "attention number {}, more than {} in one program", attentions,
           kMaxAttentions);
  });
}

}  // namespace

std::span<const Rule> program_rules() {
  static const Rule rules[] = {
      {.id = "ane.c17",
       .title = "slice_by_index does not take an input of a large program",
       .effect = Effect::kCompileRefused,
       .workaround = "slice_by_size",
       .evidence = "measured: Espresso; from 16 operations on is a guess",
       .holds_for = everywhere,
       .check = sliced_inputs},
      {.id = "ane.c18",
       .title = "values are not rotated along the width",
       .effect = Effect::kCompileRefused,
       .workaround = "matmul with a constant permutation with signs, or rotate channels",
       .evidence = "measured: rustane on M3 Ultra",
       .holds_for = on_m3,
       .check = width_rotation},
      {.id = "ane.c19",
       .title = "inputs and outputs are not fp32",
       .effect = Effect::kCompileRefused,
       .workaround = "fp16 ports; convert on the CPU",
       .evidence = "measured: maderix/ANE pull request 6",
       .holds_for = up_to_m2,
       .check = fp32_ports},
      {.id = "ane.c58",
       .title = "a program has at most 1.6 GB of constants",
       .effect = Effect::kCompileRefused,
       .workaround = "split the program, or make weights inputs",
       .evidence = "measured: ANEForge issue 45; 1.5 compiles, 3.4 does not",
       .holds_for = everywhere,
       .check = baked_bytes},
      {.id = "ane.c59",
       .title = "inputs and outputs are fp16, int8, uint8, int16 or uint16",
       .effect = Effect::kCompileRefused,
       .workaround = "fp16 ports; convert on the CPU",
       .evidence = "reported: ANEForge; fp32 with cast ran for maderix/ANE from M3 on",
       .holds_for = everywhere,
       .check = port_types},
      {.id = "ane.c60",
       .title = "operations compute in fp16; only quantize makes bytes",
       .effect = Effect::kCompileRefused,
       .workaround = "declare values and constants as fp16",
       .evidence = "reported: ANEForge",
       .holds_for = everywhere,
       .check = computes_in_fp16},
      {.id = "ane.c62",
       .title = "a program has at most 30 layers with attention",
       .effect = Effect::kEvaluationRefused,
       .workaround = "programs of at most 24 layers, one after the other",
       .evidence = "measured: ANEForge issue 254",
       .holds_for = everywhere,
       .check = depth},
  };
  return rules;
}

}  // namespace anemone::ane
