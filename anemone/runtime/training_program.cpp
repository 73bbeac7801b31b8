#include <algorithm>

#include "anemone/autodiff/stage_gradients.h"
#include "anemone/base/clock.h"
#include "anemone/runtime/chain_program.h"

namespace anemone {
namespace {

using NamedBuffers = std::map<std::string, Buffer*>;

// A stage's three programs. Backward is null for a first stage, which has nobody to hand it to.
struct StagePrograms {
  StageGradients functions;
  std::unique_ptr<Executable> forward, backward, weight_gradient;
  std::map<std::string, std::unique_ptr<Buffer>> backward_taps;  // read right after: one for all
};

struct Step {
  std::unique_ptr<Request> request;
  size_t event = 0;
  double flops = 0, bytes = 0;
};

// Binds every input and output that `executable` has to the buffer of that name.
std::unique_ptr<Request> bind_by_name(Executable& executable, const NamedBuffers& buffers) {
  const auto bindings = [&](const std::vector<std::pair<std::string, Type>>& ports) {
    std::vector<Binding> result;
    for (const auto& [name, type] : ports) {
      const auto found = buffers.find(name);
      if (found != buffers.end()) result.push_back({name, found->second});
    }
    return result;
  };
  return executable.bind(bindings(executable.inputs()), bindings(executable.outputs()));
}

std::vector<std::pair<std::string, std::string>> accumulated(const Stage& stage) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& weight : stage.weights) {
    pairs.emplace_back("d" + weight + "_sum", "d" + weight);
  }
  return pairs;
}

StagePrograms compile_stage(Device& device, const Stage& stage) {
  std::vector<std::string> data, without_gradient;
  if (!stage.data_input.empty()) data.push_back(stage.data_input);
  for (Value output : stage.function.outputs) {
    if (output->name != stage.data_output) without_gradient.push_back(output->name);
  }
  StagePrograms programs{
      differentiate_stage(stage.function, data, stage.weights, without_gradient), {}, {}, {}, {}};
  programs.forward = device.compile(programs.functions.forward);
  if (!data.empty()) programs.backward = device.compile(programs.functions.backward);
  programs.weight_gradient =
      device.compile(programs.functions.weight_gradient, {.in_place = accumulated(stage)});
  for (const std::string& tap : programs.functions.backward_taps) {
    programs.backward_taps[tap] = device.allocate(programs.functions.backward.find(tap)->type);
  }
  return programs;
}

}  // namespace

struct TrainingProgram::State {
  Timeline* timeline = nullptr;
  std::vector<StagePrograms> programs;
  std::vector<Step> steps;  // forward through the chain, then backward
  std::map<std::string, std::unique_ptr<Buffer>> sides;
  std::vector<std::unique_ptr<Buffer>> kept;  // activations and taps, one set a use
  // Gradients handed from stage to stage: two of a type alternate.
  std::vector<std::unique_ptr<Buffer>> gradients;
  Buffer* loss = nullptr;
  Buffer* loss_gradient = nullptr;
  double compile_ms = 0, flops = 0;

  // A gradient buffer of this type other than the one that is being read.
  Buffer* gradient_buffer(Device& device, const Type& type, const Buffer* in_use) {
    for (const auto& buffer : gradients) {
      if (buffer.get() != in_use && buffer->type() == type) return buffer.get();
    }
    gradients.push_back(device.allocate(type));
    return gradients.back().get();
  }

  void add_step(Executable& executable, const NamedBuffers& buffers, const std::string& label) {
    const ExecutableStats& stats = executable.stats();
    steps.push_back({bind_by_name(executable, buffers), timeline ? timeline->name_id(label) : 0,
                     stats.flops, stats.bytes});
    flops += stats.flops;
  }
};

namespace {

// Lays the chain out: which buffer every name of every use stands for.
class ChainBinder {
 public:
  ChainBinder(Device& device, const StageChain& chain, const ParameterLookup& values,
              const ParameterLookup& gradients)
      : device_(device), chain_(chain), values_(values), gradients_(gradients) {}

  // The buffers of use `index` for its three programs. `x` null for the first use.
  NamedBuffers buffers_of(const StageUse& use, StagePrograms& programs, Buffer* x,
                          std::map<std::string, std::unique_ptr<Buffer>>& sides,
                          std::vector<std::unique_ptr<Buffer>>& kept) {
    const Stage& stage = chain_.stages[use.stage];
    NamedBuffers buffers;
    if (x) buffers[stage.data_input] = x;
    for (size_t i = 0; i < stage.weights.size(); ++i) {
      buffers[stage.weights[i]] = values_(use.parameters[i]);
      Buffer* gradient = gradients_(use.parameters[i]);
      buffers["d" + stage.weights[i]] = gradient;
      buffers["d" + stage.weights[i] + "_sum"] = gradient;
    }
    for (const auto& [name, type] : programs.forward->inputs()) {
      if (buffers.contains(name)) continue;
      std::unique_ptr<Buffer>& side = sides[name];
      if (!side) side = device_.allocate(type);
      buffers[name] = side.get();
    }
    for (const auto& [name, type] : programs.forward->outputs()) {
      kept.push_back(device_.allocate(type));
      buffers[name] = kept.back().get();
    }
    for (auto& [name, buffer] : programs.backward_taps) buffers[name] = buffer.get();
    return buffers;
  }

 private:
  Device& device_;
  const StageChain& chain_;
  const ParameterLookup &values_, &gradients_;
};

}  // namespace

TrainingProgram::TrainingProgram(Device& device, const StageChain& chain,
                                 const ParameterLookup& values, const ParameterLookup& gradients,
                                 Timeline* timeline)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.timeline = timeline;
  const Stopwatch watch;
  for (const Stage& stage : chain.stages) s.programs.push_back(compile_stage(device, stage));
  s.compile_ms = watch.elapsed_ms();

  ChainBinder binder(device, chain, values, gradients);
  std::vector<NamedBuffers> bound;
  Buffer* x = nullptr;
  for (const StageUse& use : chain.uses) {
    const Stage& stage = chain.stages[use.stage];
    StagePrograms& programs = s.programs[use.stage];
    bound.push_back(binder.buffers_of(use, programs, x, s.sides, s.kept));
    x = bound.back().at(stage.data_output);
    s.add_step(*programs.forward, bound.back(), stage.function.name + " forward");
  }
  s.loss = x;
  s.loss_gradient = s.gradient_buffer(device, x->type(), nullptr);

  Buffer* dy = s.loss_gradient;
  for (size_t u = chain.uses.size(); u-- > 0;) {
    const Stage& stage = chain.stages[chain.uses[u].stage];
    StagePrograms& programs = s.programs[chain.uses[u].stage];
    NamedBuffers& buffers = bound[u];
    buffers["d" + stage.data_output] = dy;
    if (programs.backward) {
      const Type type = stage.function.find(stage.data_input)->type;
      Buffer* dx = s.gradient_buffer(device, type, dy);
      buffers["d" + stage.data_input] = dx;
      s.add_step(*programs.backward, buffers, stage.function.name + " backward");
      dy = dx;
    }
    s.add_step(*programs.weight_gradient, buffers, stage.function.name + " weight gradient");
  }
}

TrainingProgram::~TrainingProgram() = default;

Buffer& TrainingProgram::side(const std::string& name) {
  const auto found = state_->sides.find(name);
  if (found == state_->sides.end()) fail("side input '" + name + "'", "the chain has none of it");
  return *found->second;
}

float TrainingProgram::run(float loss_scale) {
  State& s = *state_;
  s.loss_gradient->write({DType::kFp32, {1}, &loss_scale});
  for (Step& step : s.steps) {
    const ScopedEvent event(s.timeline, step.event, step.flops, step.bytes);
    step.request->run();
  }
  float loss = 0;
  s.loss->read({DType::kFp32, {1}, &loss});
  return loss;
}

int TrainingProgram::programs() const {
  int count = 0;
  for (const StagePrograms& programs : state_->programs) count += programs.backward ? 3 : 2;
  return count;
}

double TrainingProgram::compile_ms() const { return state_->compile_ms; }
double TrainingProgram::flops() const { return state_->flops; }

}  // namespace anemone
