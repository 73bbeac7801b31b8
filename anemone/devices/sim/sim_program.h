// A program compiled for a simulated device: checked, timed, and ready to compute.
#pragma once

#include <memory>
#include <unordered_map>

#include "anemone/devices/ane_spec/cost_model.h"
#include "anemone/devices/ane_spec/rules.h"
#include "anemone/devices/cpu/memory_plan.h"
#include "anemone/devices/sim/sim_buffer.h"
#include "anemone/devices/sim/sim_device.h"

namespace anemone {

class SimProgram final : public Executable {
 public:
  // `lowered`: plain MIL that the rules have passed, with `warnings`. `loaded` counts the programs
  // of the device that exist.
  SimProgram(Function lowered, const CompileOptions& compile, std::vector<std::string> warnings,
             const Chip& chip, ThreadPool& pool, const SimOptions& options,
             std::shared_ptr<int> loaded);
  ~SimProgram() override { --*loaded_; }

  // Ports in alphabetical order of their names, as the hardware binds them (ane.c27).
  const std::vector<std::pair<std::string, Type>>& inputs() const override { return inputs_; }
  const std::vector<std::pair<std::string, Type>>& outputs() const override { return outputs_; }
  const ExecutableStats& stats() const override { return stats_; }
  // Bindings without names are taken in the order of the ports.
  std::unique_ptr<Request> bind(std::span<const Binding> inputs,
                                std::span<const Binding> outputs) override;

  const ProgramTime& time() const { return time_; }
  // Whether this is the first run; afterwards it is not.
  bool take_first_run();
  // Computes. Surfaces are checked first, as the hardware does at every evaluation.
  void run(std::span<SimBuffer* const> inputs, std::span<SimBuffer* const> outputs);

 private:
  struct Step {
    const Kernel* kernel;
    std::vector<TensorView> in, out;
  };
  // What an input's fp32 copy was made from.
  struct Source {
    const SimBuffer* buffer = nullptr;
    int64_t version = -1;
  };

  void prepare_values();
  void check_request(std::span<SimBuffer* const> buffers, const char* side) const;
  void load_inputs(std::span<SimBuffer* const> inputs);
  TensorView place_of(Value value) const;

  Function function_;  // fp32 where the program is fp16
  const Chip& chip_;
  ThreadPool& pool_;
  SimOptions options_;
  std::shared_ptr<int> loaded_;
  std::vector<std::pair<std::string, Type>> inputs_, outputs_;
  ProgramTime time_;
  ExecutableStats stats_;
  bool ran_ = false;

  std::unordered_map<const Operation*, std::unique_ptr<Kernel>> kernels_;
  MemoryPlan plan_;
  AlignedBytes arena_, scratch_;
  std::vector<Tensor> input_values_, output_values_;  // in the order of the function's ports
  std::vector<Source> sources_;
  std::vector<size_t> input_order_, output_order_;  // function's port → port by name
  std::vector<Step> steps_;
};

// The types of a lowered function as the CPU's kernels want them: fp32 for fp16.
void widen(Function& function);

}  // namespace anemone
