// A program compiled for a simulated device: checked, timed, and ready to compute.
#pragma once

#include <memory>
#include <unordered_map>

#include "anemone/devices/ane_spec/cost_model.h"
#include "anemone/devices/ane_spec/rules.h"
#include "anemone/devices/cpu/memory_plan.h"
#include "anemone/devices/sim/sim_binding.h"
#include "anemone/devices/sim/sim_device.h"

namespace anemone {

class SimProgram final : public Executable {
 public:
  // `lowered`: plain MIL that the rules let pass; `wrong`: what the chip gets wrong in it.
  SimProgram(Function lowered, const CompileOptions& compile, std::vector<Finding> wrong,
             const Chip& chip, ThreadPool& pool, const SimOptions& options,
             std::shared_ptr<SimCounts> counts);
  ~SimProgram() override { --counts_->loaded; }

  // Ports in alphabetical order of their names, as the hardware binds them (ane.c27).
  const Ports& inputs() const override { return inputs_; }
  const Ports& outputs() const override { return outputs_; }
  const ExecutableStats& stats() const override { return stats_; }
  // Bindings without names are taken in the order of the ports.
  std::unique_ptr<Request> bind(std::span<const Binding> inputs,
                                std::span<const Binding> outputs) override;

  // What predict() says of it, without its operations.
  const ProgramTime& time() const { return time_; }
  // Whether this is the first run after a compilation. Without values one program stands for
  // several, each of which has a first run.
  bool take_first_run();
  void recompiled() { ++first_runs_; }
  // Computes. Surfaces are checked first, as the hardware does at every evaluation.
  void run(std::span<SimBuffer* const> inputs, std::span<SimBuffer* const> outputs);

 private:
  struct Step {
    const Kernel* kernel;
    std::vector<TensorView> in, out;
  };

  void take_nan_out_of_constants();
  void prepare_values(const std::vector<Finding>& wrong);
  void make_kernels(const std::vector<Finding>& wrong);
  void make_steps();
  void check_request(std::span<SimBuffer* const> buffers, const char* side) const;
  void load_inputs(std::span<SimBuffer* const> inputs);
  TensorView place_of(Value value) const;

  Function function_;  // fp32 where the program is fp16
  const Chip& chip_;
  ThreadPool& pool_;
  SimOptions options_;
  std::shared_ptr<SimCounts> counts_;
  std::vector<std::pair<std::string, std::string>> in_place_;
  Ports inputs_, outputs_;
  ProgramTime time_;
  ExecutableStats stats_;
  int first_runs_ = 1;  // still to come

  std::unordered_map<const Operation*, std::unique_ptr<Kernel>> kernels_;
  MemoryPlan plan_;
  AlignedBytes arena_, scratch_;
  std::vector<Tensor> input_values_, output_values_;  // in the order of the function's ports
  std::vector<int64_t> sources_;  // contents that the inputs' values were made from
  std::vector<size_t> input_order_, output_order_;  // function's port → port by name
  std::vector<Step> steps_;
};

}  // namespace anemone
