// One micro-step of training as tasks: the programs of a chain of stages, each where a placement
// says, bound to memory, with copies at every border between host and device.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "anemone/runtime/forward_program.h"
#include "anemone/runtime/placement.h"
#include "anemone/runtime/task_runner.h"

namespace anemone {

// Programs on the device; with the host pipeline, on the host.
struct ProgramCounts {
  int total = 0;
  int weight_bearing = 0;  // compiled anew after every update: trained weights are constants
  int weight_free() const { return total - weight_bearing; }
};

struct TrainingSetup {
  Device& device;  // for what the placement puts there
  Device& host;    // in fp32; may be the same
  Placement placement;
  bool strict = false;  // what the device refuses is an error, not work for the host
  // Of a layer only its input is kept; backward makes the rest again (Chen et al. 2016). For steps
  // of the host alone.
  bool recompute = false;
  Timeline* timeline = nullptr;  // may be null
};

class TrainingProgram {
 public:
  // The chain ends in a stage whose data output is a loss [1]; its other float outputs get no
  // gradient. Values and gradients of parameters are buffers of the host; gradients are added to,
  // and asked for where a stage does not freeze the weight.
  TrainingProgram(const TrainingSetup& setup, const StageChain& chain,
                  const ParameterLookup& values, const ParameterLookup& gradients);
  ~TrainingProgram();

  // Side inputs of the chain, such as "tokens" and "targets", of one lane.
  Buffer& side(const std::string& name, int lane = 0);
  // Micro-steps that are under way at once; 1 where there is no device to keep busy.
  int lanes() const;

  // Runs `count` micro-steps; each adds the gradients of loss_scale * loss. `feed` is called before
  // each with the lane whose side inputs it may fill. Returns the sum of the losses.
  double run(int64_t count, float loss_scale, const std::function<void(int lane)>& feed);
  // One micro-step of what the side inputs hold.
  float run(float loss_scale);

  // Brings new values of the parameters to the device: copies or compiles. The constructor has done
  // so once.
  void weights_changed();
  // Programs that weights_changed() compiles.
  int compiles_per_update() const;
  // After Simulation::restart_ms(): everything is compiled again.
  void compile_again();

  ProgramCounts counts() const;
  int64_t compiles() const;   // of device programs, so far
  double compile_ms() const;  // so far, on the clock of the runner
  double flops() const;       // of one micro-step
  double device_flops() const;
  // Whether the device runs operations of this type in the forward function of a stage.
  bool device_runs(const std::string& stage, const std::string& operation) const;
  // What runs on the host although the placement says device, and why; and other warnings.
  const std::vector<std::string>& notes() const;
  TaskRunner& runner();

 private:
  void copy_frozen();

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace anemone
