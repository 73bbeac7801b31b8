#include "anemone/runtime/stage_segments.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "anemone/autodiff/stage_gradients.h"
#include "anemone/base/error.h"
#include "anemone/ir/extract.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"
#include "anemone/passes/bake_inputs.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/pipelines.h"
#include "anemone/runtime/partition.h"

namespace anemone {
namespace {

bool has(const Function& function, Trait trait) {
  bool found = false;
  walk(function, [&](const Operation& op) { found = found || has_trait(op, trait); });
  return found;
}

// The stage that ends in the loss is the one with the classifier.
bool has_classifier(const Stage& stage) {
  const Value output = stage.function.find(stage.data_output);
  return output && element_count(output->type.shape) == 1;
}

// What a report counts the segment as (docs/pipelines.md).
std::string category_of(const StageSegment& segment, const Stage& stage) {
  if (segment.on_device) return "ane";
  if (segment.part == Part::kWeightGradient) return "dw";
  if (has(segment.function, Trait::kProduct)) return has_classifier(stage) ? "cls" : "layers";
  return has(segment.function, Trait::kNorm) ? "rms" : "elem";
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

StageGradients differentiate(const Stage& stage) {
  std::vector<std::string> data, without_gradient;
  if (!stage.data_input.empty()) data.push_back(stage.data_input);
  for (Value output : stage.function.outputs) {
    if (output->name != stage.data_output) without_gradient.push_back(output->name);
  }
  std::vector<std::string> trained;
  for (const std::string& weight : stage.weights) {
    if (!contains(stage.frozen, weight)) trained.push_back(weight);
  }
  return differentiate_stage(stage.function, data, trained, without_gradient);
}

std::string label_of(const Stage& stage, Part part, const Side& side) {
  return stage.function.name + " " + to_string(part) +
         (side.program.empty() ? "" : " " + side.program);
}

// Tells segments of one label apart: "attention backward", "attention backward 2".
void number_labels(std::vector<StageSegment>& segments) {
  std::map<std::string, int> seen;
  for (StageSegment& segment : segments) {
    const int count = ++seen[segment.label];
    if (count > 1) segment.label += fmt::format(" {}", count);
    segment.function.name = segment.label;
    std::replace(segment.function.name.begin(), segment.function.name.end(), ' ', '_');
  }
}

// What makes the taps of `forward` again, and nothing else.
Function without_data_output(const Function& forward, const Stage& stage) {
  std::vector<Value> taps;
  for (Value output : forward.outputs) {
    if (output->name != stage.data_output) taps.push_back(output);
  }
  return extract(forward, stage.function.name + "_recompute", taps, [](Value) { return false; });
}

// Whether some values are computed in fp16 and others in fp32.
bool mixes_precisions(const Placement& placement, const Device& device) {
  return uses_device(placement) && device.info().float_type == DType::kFp16;
}

// Segments of one part, with what the device refuses moved to the host.
class PartSegments {
 public:
  PartSegments(const Stage& stage, Part part, const Placement& placement, const Device& device,
               bool strict)
      : stage_(stage), part_(part), placement_(placement), device_(device), strict_(strict) {}

  std::vector<StageSegment> make(const Function& function, std::vector<std::string>& fallbacks) {
    for (;;) {
      std::vector<StageSegment> result;
      bool accepted = true;
      for (Segment& part : partition(function, [&](const Operation& op) { return side_of(op); })) {
        result.push_back(finish(std::move(part)));
        const StageSegment& segment = result.back();
        if (!segment.on_device) continue;
        if (const Support support = device_.accepts(as_compiled(segment)); !support) {
          if (!take_as_inputs(segment)) refuse(segment, support.reason, fallbacks);
          accepted = false;
        }
      }
      if (accepted) return result;
    }
  }

 private:
  Side side_of(const Operation& op) const {
    const PlacementRow* row = find_row(placement_, stage_.function.name, part_, op);
    if (!row) return {};
    const bool refused = std::any_of(op.outputs.begin(), op.outputs.end(),
                                     [&](Value output) { return refused_.contains(output->name); });
    return {row->on_device && !refused, row->program};
  }

  StageSegment finish(Segment part) const {
    StageSegment segment{.function = std::move(part.function),
                         .part = part_,
                         .on_device = part.side.on_device,
                         .label = label_of(stage_, part_, part.side)};
    for (Value input : segment.function.inputs) {
      if (contains(stage_.weights, input->name)) add_weight(segment, input->name);
    }
    if (segment.on_device && device_.info().float_type == DType::kFp16) {
      to_fp16(segment.function);
    }
    segment.work = host_work(segment.function);
    segment.category = category_of(segment, stage_);
    return segment;
  }

  void add_weight(StageSegment& segment, const std::string& name) const {
    const bool frozen = contains(stage_.frozen, name);
    segment.weights.push_back(name);
    if (!segment.on_device || placement_.constants == Constants::kNone) return;
    if (placement_.constants == Constants::kFrozen && (!frozen || has_any(as_inputs_, segment))) {
      return;
    }
    segment.constants.push_back(name);
    segment.changes |= !frozen;
  }

  // With weights as constants where they will be, though without numbers: some rules are about the
  // one or the other.
  Function as_compiled(const StageSegment& segment) const {
    Function function = segment.function.clone();
    if (segment.constants.empty()) return function;
    std::map<std::string, TensorView> constants;
    for (const std::string& weight : segment.constants) constants[weight] = {};
    bake_inputs(function, constants);
    return function;
  }

  static bool has_any(const std::set<std::string>& names, const StageSegment& segment) {
    const auto& outputs = segment.function.outputs;
    return std::any_of(outputs.begin(), outputs.end(),
                       [&](Value output) { return names.contains(output->name); });
  }

  // Frozen weights may as well be inputs, with which the device allows other things. Returns
  // whether that is still to be tried.
  bool take_as_inputs(const StageSegment& segment) {
    if (placement_.constants != Constants::kFrozen || segment.constants.empty()) return false;
    for (Value output : segment.function.outputs) as_inputs_.insert(output->name);
    return true;
  }

  void refuse(const StageSegment& segment, const std::string& reason,
              std::vector<std::string>& fallbacks) {
    const std::string device = device_.info().name;
    if (strict_) fail(segment.label, device + " does not accept it: " + reason);
    fallbacks.push_back(segment.label + " runs on the host: " + reason);
    walk(segment.function, [&](const Operation& op) {
      for (Value output : op.outputs) refused_.insert(output->name);
    });
  }

  const Stage& stage_;
  Part part_;
  const Placement& placement_;
  const Device& device_;
  bool strict_;
  std::set<std::string> refused_;    // names of what must be computed on the host
  std::set<std::string> as_inputs_;  // names of what is computed without weights as constants
};

}  // namespace

StageSegments segment_stage(const Stage& stage, const Placement& placement, const Device& device,
                            bool strict, bool recompute) {
  StageGradients gradients = differentiate(stage);
  Function again("", "");
  if (recompute) again = without_data_output(gradients.forward, stage);
  const std::pair<Part, Function*> parts[] = {{Part::kForward, &gradients.forward},
                                              {Part::kRecompute, &again},
                                              {Part::kBackward, &gradients.backward},
                                              {Part::kWeightGradient, &gradients.weight_gradient}};
  StageSegments result;
  for (const auto& [part, function] : parts) {
    if (function->outputs.empty()) continue;
    if (part == Part::kBackward && stage.data_input.empty()) continue;
    separate_classifier(*function);
    if (mixes_precisions(placement, device)) compare_halves(*function);
    PartSegments segments(stage, part, placement, device, strict);
    for (StageSegment& segment : segments.make(*function, result.fallbacks)) {
      result.segments.push_back(std::move(segment));
    }
  }
  number_labels(result.segments);
  return result;
}

void narrow_host_ports(const Stage& stage, DType products, std::vector<StageSegment>& segments) {
  if (products == DType::kFp32) return;
  std::set<std::string> kept = {stage.data_output, "d" + stage.data_output, stage.data_input,
                                "d" + stage.data_input};
  std::vector<Function*> host;
  for (StageSegment& segment : segments) {
    if (!segment.on_device) {
      host.push_back(&segment.function);
      continue;
    }
    for (Value input : segment.function.inputs) kept.insert(input->name);
    for (Value output : segment.function.outputs) kept.insert(output->name);
  }
  narrow_ports(host, kept, products);
}

namespace {

double elements(const Type& type) { return static_cast<double>(element_count(type.shape)); }

// Half of the scores of each head are masked.
double scores_of(const OpArgs& attention) {
  const auto sequence = static_cast<double>(attention.integer("sequence"));
  const auto head_size = static_cast<double>(attention.integer("head_size"));
  return elements(attention.type("q")) / head_size * sequence / 2;
}

// Elements whose exponential, or something like it, an operation takes.
double exponentials_of(const Operation& op) {
  if (has_trait(op, Trait::kTranscendental)) return elements(op.outputs[0]->type);
  const OpArgs args(op);
  if (args.has("logits")) return elements(args.type("logits"));
  return args.has("head_size") && args.has("sequence") ? scores_of(args) : 0;
}

// Bytes that an operation other than a product moves: of a table only the rows in question.
double moved_bytes(const Operation& op, const Cost& cost) {
  const OpArgs args(op);
  if (args.has("indices") && args.has("updates")) {
    return 3 * static_cast<double>(args.type("updates").bytes());
  }
  return args.has("indices") ? 2 * cost.bytes_written : cost.bytes_read + cost.bytes_written;
}

}  // namespace

HostWork host_work(const Function& function) {
  Function optimized = function.clone();
  optimize(optimized);
  HostWork work;
  walk(optimized, [&](const Operation& op) {
    if (is_view(op)) return;
    const Cost cost = cost_of(op);
    work.exponentials += exponentials_of(op);
    if (is_product(op)) {
      work.gemm_flops += cost.flops;
    } else {
      work.elementwise_bytes += moved_bytes(op, cost);
    }
  });
  return work;
}

}  // namespace anemone
