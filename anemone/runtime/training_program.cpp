#include "anemone/runtime/training_program.h"

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/runtime/step_builder.h"

namespace anemone {
namespace {

std::vector<StageSegments> segment_all(const TrainingSetup& setup, const StageChain& chain) {
  std::vector<StageSegments> result;
  for (const Stage& stage : chain.stages) {
    result.push_back(segment_stage(stage, setup.placement, setup.device, setup.strict));
  }
  return result;
}

}  // namespace

struct TrainingProgram::State {
  TrainingSetup setup;
  ParameterLookup values;
  TaskRunner runner;
  std::vector<StageSegments> stages;
  DevicePrograms programs;
  Step step;
  std::vector<std::string> notes;
  double host_compile_ms = 0;

  State(const TrainingSetup& given, const StageChain& chain, ParameterLookup lookup)
      : setup(given),
        values(std::move(lookup)),
        runner(given.timeline, given.device.simulation()),
        stages(segment_all(setup, chain)),
        programs(setup, chain, stages, values, runner) {}

  // Requests of programs that were compiled again.
  void bind_device_steps() {
    for (DeviceStep& device_step : step.device_steps) {
      Executable& program = programs.find(device_step.use, device_step.segment);
      Task& task = *device_step.task;
      if (task.program == &program && device_step.request) continue;
      device_step.request = program.bind(device_step.inputs, device_step.outputs);
      task.program = &program;
      task.flops = program.stats().flops;
      task.bytes = program.stats().bytes;
    }
  }

  void collect_notes() {
    for (const StageSegments& stage : stages) {
      notes.insert(notes.end(), stage.fallbacks.begin(), stage.fallbacks.end());
    }
    const Executable* last = nullptr;
    for (const DeviceStep& device_step : step.device_steps) {
      if (device_step.task->program == last) continue;
      last = device_step.task->program;
      for (const std::string& warning : last->stats().warnings) {
        if (std::find(notes.begin(), notes.end(), warning) == notes.end()) {
          notes.push_back(warning);
        }
      }
    }
  }
};

TrainingProgram::TrainingProgram(const TrainingSetup& setup, const StageChain& chain,
                                 const ParameterLookup& values, const ParameterLookup& gradients) {
  const Stopwatch watch;
  state_ = std::make_unique<State>(setup, chain, values);
  State& s = *state_;
  build_step({s.setup, chain, s.stages, s.values, gradients, s.programs, s.runner}, s.step);
  s.host_compile_ms = watch.elapsed_ms();
  weights_changed();
  s.collect_notes();
}

TrainingProgram::~TrainingProgram() = default;

Buffer& TrainingProgram::side(const std::string& name) {
  const auto found = state_->step.sides.find(name);
  if (found == state_->step.sides.end()) {
    fail("side input '" + name + "'", "the chain has none of it");
  }
  return *found->second;
}

float TrainingProgram::run(float loss_scale) {
  State& s = *state_;
  const bool values = s.runner.values();
  if (values) s.step.loss_gradient->write({DType::kFp32, {1}, &loss_scale});
  for (const Task& task : s.step.tasks) s.runner.run(task);
  s.runner.join();
  float loss = 0;
  if (values) s.step.loss->read({DType::kFp32, {1}, &loss});
  return loss;
}

void TrainingProgram::weights_changed() {
  State& s = *state_;
  s.programs.compile();
  s.bind_device_steps();
  for (const Task& task : s.step.weight_copies) s.runner.run(task);
}

void TrainingProgram::compile_again() {
  state_->programs.forget();
  weights_changed();
}

int TrainingProgram::compiles_per_update() const {
  return state_->setup.placement.bake_weights ? counts().weight_bearing : 0;
}

ProgramCounts TrainingProgram::counts() const {
  const ProgramCounts device = state_->programs.counts();
  if (device.total > 0) return device;
  return {static_cast<int>(state_->step.host_programs.size()), 0};
}

int64_t TrainingProgram::compiles() const { return state_->programs.compiles(); }

double TrainingProgram::compile_ms() const {
  const bool on_device = state_->programs.counts().total > 0;
  return on_device ? state_->programs.compile_ms() : state_->host_compile_ms;
}

double TrainingProgram::flops() const {
  double sum = 0;
  for (const Task& task : state_->step.tasks) sum += task.flops;
  return sum;
}

double TrainingProgram::device_flops() const {
  double sum = 0;
  for (const DeviceStep& step : state_->step.device_steps) sum += step.task->flops;
  return sum;
}

const std::vector<std::string>& TrainingProgram::notes() const { return state_->notes; }
TaskRunner& TrainingProgram::runner() { return state_->runner; }

}  // namespace anemone
