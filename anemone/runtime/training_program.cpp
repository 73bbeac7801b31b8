#include "anemone/runtime/training_program.h"

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/ir/walk.h"
#include "anemone/runtime/step_builder.h"

namespace anemone {
namespace {

std::vector<StageSegments> segment_all(const TrainingSetup& setup, const StageChain& chain) {
  std::vector<StageSegments> result;
  for (const Stage& stage : chain.stages) {
    result.push_back(
        segment_stage(stage, setup.placement, setup.device, setup.strict, setup.recompute));
    narrow_host_ports(stage, setup.host.info().product_type, result.back().segments);
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
  StepShared shared;
  std::deque<Step> lanes;
  std::vector<size_t> piece_ends;
  std::vector<std::string> notes;
  double host_compile_ms = 0;
  float number = 0;
  TensorView number_view{DType::kFp32, {1}, &number};  // made once: making one asks for memory

  State(const TrainingSetup& given, const StageChain& chain, ParameterLookup lookup)
      : setup(given),
        values(std::move(lookup)),
        runner(given.timeline, given.device.simulation()),
        stages(segment_all(setup, chain)),
        programs(setup, chain, stages, values, runner) {}

  void write_number(Buffer& buffer, float value) {
    number = value;
    buffer.write(number_view);
  }
  float read_number(const Buffer& buffer) {
    buffer.read(number_view);
    return number;
  }

  void build(const StageChain& chain, const ParameterLookup& gradients) {
    const StepInputs inputs{setup, chain, stages, values, gradients, programs, runner};
    shared = share_steps(inputs);
    const bool has_device = programs.counts().total > 0;
    for (int lane = 0; lane < (has_device ? setup.placement.lanes : 1); ++lane) {
      build_step(inputs, shared, lanes.emplace_back());
    }
    cut_into_pieces();
  }

  // Requests of programs that were compiled again.
  void bind_device_steps() {
    for (Step& step : lanes) {
      for (DeviceStep& device_step : step.device_steps) bind(device_step);
    }
  }

  // Requests of programs that are about to be compiled again: no program goes before its requests.
  void give_up_stale_requests() {
    for (Step& step : lanes) {
      for (DeviceStep& device_step : step.device_steps) {
        if (!programs.compiles_again(device_step.use, device_step.segment)) continue;
        device_step.request.reset();
        device_step.generation = 0;
      }
    }
  }

  void bind(DeviceStep& device_step) {
    Executable& program = programs.find(device_step.use, device_step.segment);
    Task& task = *device_step.task;
    const int64_t generation = programs.generation(device_step.use, device_step.segment);
    if (device_step.generation == generation) return;
    device_step.generation = generation;
    device_step.request = program.bind(device_step.inputs, device_step.outputs);
    task.program = &program;
    task.flops = program.stats().flops;
    task.bytes = program.stats().bytes;
  }

  // A step's tasks in pieces that each end with a program of the device: while it runs, the host
  // prepares the next piece of another lane.
  void cut_into_pieces() {
    const std::deque<Task>& tasks = lanes[0].tasks;
    for (size_t end = 0; end < tasks.size();) {
      while (end < tasks.size() && tasks[end].queue != Queue::kDevice) ++end;
      end = std::min(end + 1, tasks.size());
      piece_ends.push_back(end);
    }
  }

  void run_piece(Step& step, size_t piece) {
    const size_t begin = piece == 0 ? 0 : piece_ends[piece - 1];
    for (size_t t = begin; t < piece_ends[piece]; ++t) runner.run(step.tasks[t]);
  }

  void collect_notes() {
    for (const StageSegments& stage : stages) {
      notes.insert(notes.end(), stage.fallbacks.begin(), stage.fallbacks.end());
    }
    if (uses_device(setup.placement) && programs.counts().total == 0) {
      notes.push_back("pipeline " + setup.placement.name + " puts nothing on " +
                      setup.device.info().name);
    }
    const Executable* last = nullptr;
    for (const DeviceStep& device_step : lanes[0].device_steps) {
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
  s.build(chain, gradients);
  s.host_compile_ms = watch.elapsed_ms();
  copy_frozen();
  weights_changed();
  s.collect_notes();
}

TrainingProgram::~TrainingProgram() = default;

Buffer& TrainingProgram::side(const std::string& name, int lane) {
  const auto& sides = state_->lanes.at(static_cast<size_t>(lane)).sides;
  const auto found = sides.find(name);
  if (found == sides.end()) fail("side input '" + name + "'", "the chain has none of it");
  return *found->second;
}

int TrainingProgram::lanes() const { return static_cast<int>(state_->lanes.size()); }

// Micro-steps begin one after the other, each when the one before is so far that all lanes are in
// use: with two, one goes forward while the other goes backward, which spreads the weight
// gradients.
double TrainingProgram::run(int64_t count, float loss_scale,
                            const std::function<void(int lane)>& feed) {
  State& s = *state_;
  const bool values = s.runner.values();
  const auto pieces = static_cast<int64_t>(s.piece_ends.size());
  const int64_t lag = (pieces + lanes() - 1) / lanes();
  double sum = 0;
  for (int64_t turn = 0; turn < (count - 1) * lag + pieces; ++turn) {
    for (int64_t i = std::max<int64_t>(0, turn / lag - lanes()); i <= turn / lag && i < count;
         ++i) {
      const int64_t piece = turn - i * lag;
      if (piece >= pieces) continue;
      const auto lane = static_cast<int>(i % lanes());
      Step& step = s.lanes[static_cast<size_t>(lane)];
      if (piece == 0) {
        feed(lane);
        if (values) s.write_number(*step.loss_gradient, loss_scale);
      }
      s.run_piece(step, static_cast<size_t>(piece));
      if (piece + 1 == pieces && values) {
        sum += s.read_number(*step.loss);
      }
    }
  }
  s.runner.join();
  return sum;
}

float TrainingProgram::run(float loss_scale) {
  return static_cast<float>(run(1, loss_scale, [](int) {}));
}

void TrainingProgram::weights_changed() {
  State& s = *state_;
  s.give_up_stale_requests();
  s.programs.compile();
  s.bind_device_steps();
  for (const Task& task : s.shared.weight_copies) s.runner.run(task);
}

void TrainingProgram::copy_frozen() {
  for (const Task& task : state_->shared.frozen_copies) state_->runner.run(task);
}

void TrainingProgram::compile_again() {
  state_->programs.forget();
  copy_frozen();
  weights_changed();
}

int TrainingProgram::compiles_per_update() const {
  return state_->programs.counts().weight_bearing;
}

ProgramCounts TrainingProgram::counts() const {
  const ProgramCounts device = state_->programs.counts();
  if (device.total > 0) return device;
  return {state_->shared.host_program_count(), 0};
}

int64_t TrainingProgram::compiles() const { return state_->programs.compiles(); }

double TrainingProgram::compile_ms() const {
  const bool on_device = state_->programs.counts().total > 0;
  // Compiling for the host took real time, which has no place on a simulated clock.
  if (on_device || state_->runner.simulation()) return state_->programs.compile_ms();
  return state_->host_compile_ms;
}

double TrainingProgram::flops() const {
  double sum = 0;
  for (const Task& task : state_->lanes[0].tasks) sum += task.flops;
  return sum;
}

double TrainingProgram::device_flops() const {
  double sum = 0;
  for (const DeviceStep& step : state_->lanes[0].device_steps) sum += step.task->flops;
  return sum;
}

bool TrainingProgram::device_runs(const std::string& stage, const std::string& operation) const {
  for (const StageSegments& segments : state_->stages) {
    for (const StageSegment& segment : segments.segments) {
      if (!segment.on_device || segment.part != Part::kForward) continue;
      if (!segment.label.starts_with(stage + " ")) continue;
      bool runs = false;
      for_each_of_type(segment.function, operation, [&](const Operation&) { runs = true; });
      if (runs) return true;
    }
  }
  return false;
}

const std::vector<std::string>& TrainingProgram::notes() const { return state_->notes; }
TaskRunner& TrainingProgram::runner() { return state_->runner; }

}  // namespace anemone
