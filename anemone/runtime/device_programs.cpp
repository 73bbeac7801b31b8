#include "anemone/runtime/device_programs.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/passes/bake_inputs.h"

namespace anemone {

DevicePrograms::DevicePrograms(const TrainingSetup& setup, const StageChain& chain,
                               const std::vector<StageSegments>& stages,
                               const ParameterLookup& values, TaskRunner& runner)
    : setup_(setup),
      uses_(chain.uses),
      stages_(stages),
      values_(values),
      runner_(runner),
      event_(runner.name_id("compile", "compile")) {
  for (const Stage& stage : chain.stages) weights_.push_back(stage.weights);
}

std::pair<size_t, size_t> DevicePrograms::key(size_t use, size_t segment) const {
  // Without values one program stands for those that differ in their weights alone.
  if (setup_.placement.constants != Constants::kNone && runner_.values()) return {use, segment};
  return {uses_.size() + uses_[use].stage, segment};
}

void DevicePrograms::compile() {
  require_budget();
  for (size_t use = 0; use < uses_.size(); ++use) {
    const auto& segments = stages_[uses_[use].stage].segments;
    for (size_t s = 0; s < segments.size(); ++s) {
      if (!segments[s].on_device) continue;
      const bool per_use = setup_.placement.constants != Constants::kNone;
      const size_t owner = per_use ? use : key(use, s).first;
      if (done_.insert({owner, s}).second || segments[s].changes) compile_one(use, s);
    }
  }
}

bool DevicePrograms::compiles_again(size_t use, size_t segment) const {
  return stages_[uses_[use].stage].segments[segment].changes;
}

// At first everything is compiled in one process: if that is too much, no new process helps.
void DevicePrograms::require_budget() const {
  const int needed = counts().total;
  if (!done_.empty() || needed <= setup_.device.compiles_left()) return;
  fail("--pipeline " + setup_.placement.name,
       fmt::format("{} programs are needed, and {} compiles {} in a process", needed,
                   setup_.device.info().name, setup_.device.compiles_left()),
       "dynamic needs a handful");
}

Function DevicePrograms::with_constants(size_t use, const StageSegment& segment) const {
  const std::vector<std::string>& all = weights_[uses_[use].stage];
  std::map<std::string, TensorView> constants;
  for (const std::string& weight : segment.constants) {
    const auto index = std::find(all.begin(), all.end(), weight) - all.begin();
    constants[weight] = values_(uses_[use].parameters[static_cast<size_t>(index)])->map();
  }
  Function function = segment.function.clone();
  bake_inputs(function, constants);
  return function;
}

void DevicePrograms::compile_one(size_t use, size_t segment_index) {
  const StageSegment& segment = stages_[uses_[use].stage].segments[segment_index];
  Compiled& compiled = compiled_[key(use, segment_index)];
  std::unique_ptr<Executable>& slot = compiled.executable;
  const Stopwatch watch;
  double ms = 0;
  if (slot && !runner_.values()) {
    ms = runner_.simulation()->recompile_ms(*slot);
  } else {
    ++compiled.generation;
    slot.reset();  // unloads the old program first: the number of loaded ones is limited
    CompileOptions options;
    for (const std::string& weight : segment.weights) {
      const auto& constants = segment.constants;
      if (std::find(constants.begin(), constants.end(), weight) == constants.end()) {
        options.weights.push_back(weight);
      }
    }
    slot = segment.constants.empty() ? setup_.device.compile(segment.function, options)
                                     : setup_.device.compile(with_constants(use, segment), options);
    ms = runner_.simulation() ? slot->stats().compile_ms : watch.elapsed_ms();
  }
  runner_.record_fixed(event_, ms);
  compile_ms_ += ms;
  ++compiles_;
}

ProgramCounts DevicePrograms::counts() const {
  ProgramCounts counts;
  for (size_t use = 0; use < uses_.size(); ++use) {
    for (const StageSegment& segment : stages_[uses_[use].stage].segments) {
      if (!segment.on_device) continue;
      ++counts.total;
      if (segment.changes) ++counts.weight_bearing;
    }
  }
  if (setup_.placement.constants != Constants::kNone) return counts;
  counts = {};
  for (const StageSegments& stage : stages_) {
    for (const StageSegment& segment : stage.segments) counts.total += segment.on_device ? 1 : 0;
  }
  return counts;
}

}  // namespace anemone
