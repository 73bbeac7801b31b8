#include <algorithm>

#include "anemone/runtime/forward_program.h"

namespace anemone {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

ForwardProgram::ForwardProgram(Device& device, const StageChain& chain,
                               const ParameterLookup& values,
                               const std::vector<std::string>& own_side, Timeline* timeline,
                               ForwardProgram* lender)
    : timeline_(timeline), own_(chain.uses.size()) {
  for (const Stage& stage : chain.stages) executables_.push_back(device.compile(stage.function));
  for (size_t u = 0; u < chain.uses.size(); ++u) {
    const StageUse& use = chain.uses[u];
    const Stage& stage = chain.stages[use.stage];
    Executable& executable = *executables_[use.stage];
    const auto side_buffer = [&](const std::string& name, const Type& type) {
      const bool own = contains(own_side, name);
      Buffer* lent = own && lender ? lender->side(name, u) : nullptr;
      if (lent && lent->type() == type) return lent;
      SideBuffers& buffers = own ? own_[u] : shared_;
      std::unique_ptr<Buffer>& buffer = buffers[name];
      if (!buffer) buffer = device.allocate(type);
      return buffer.get();
    };
    std::vector<Binding> inputs, outputs;
    for (const auto& [name, type] : executable.inputs()) {
      const auto weight = std::find(stage.weights.begin(), stage.weights.end(), name);
      if (name == stage.data_input) {
        inputs.push_back({name, output_});
      } else if (weight != stage.weights.end()) {
        inputs.push_back(
            {name, values(use.parameters[static_cast<size_t>(weight - stage.weights.begin())])});
      } else {
        inputs.push_back({name, side_buffer(name, type)});
      }
    }
    for (const auto& [name, type] : executable.outputs()) {
      if (name == stage.data_output) {
        // Two activations alternate; the one before is only read by this stage.
        if (activations_.size() < 2 || !(activations_[u % 2]->type() == type)) {
          activations_.push_back(device.allocate(type));
          output_ = activations_.back().get();
        } else {
          output_ = activations_[u % 2].get();
        }
        outputs.push_back({name, output_});
      } else {
        outputs.push_back({name, side_buffer(name, type)});
      }
    }
    const ExecutableStats& stats = executable.stats();
    const size_t event = timeline ? timeline->name_id(stage.function.name + " forward") : 0;
    steps_.push_back({executable.bind(inputs, outputs), event, stats.flops, stats.bytes});
  }
}

Buffer* ForwardProgram::side(const std::string& name) {
  const auto found = shared_.find(name);
  return found == shared_.end() ? nullptr : found->second.get();
}

Buffer* ForwardProgram::side(const std::string& name, size_t index) {
  const auto found = own_.at(index).find(name);
  return found == own_.at(index).end() ? nullptr : found->second.get();
}

void ForwardProgram::run(const std::function<void(size_t use)>& after) {
  for (size_t use = 0; use < steps_.size(); ++use) {
    const Step& step = steps_[use];
    {
      const ScopedEvent event(timeline_, step.event, step.flops, step.bytes);
      step.request->run();
    }
    if (after) after(use);
  }
}

}  // namespace anemone
