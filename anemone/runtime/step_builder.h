// Lays a training step out: which buffer every value of every use of a stage stands for, on the
// host and on the device, and the tasks in the order in which they run.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "anemone/runtime/device_programs.h"

namespace anemone {

// A program of the device bound to memory; bound again when it is compiled again.
struct DeviceStep {
  size_t use, segment;  // of the chain, of its stage
  std::vector<Binding> inputs, outputs;
  std::unique_ptr<Request> request;
  int64_t generation = 0;  // of the program that the request is of
  Task* task = nullptr;
};

// One micro-step with buffers of its own. Pointers into it stay valid.
struct Step {
  std::deque<Task> tasks;  // in program order
  std::deque<DeviceStep> device_steps;
  std::vector<std::unique_ptr<Request>> host_requests;
  std::vector<std::unique_ptr<Buffer>> buffers;
  std::map<std::string, Buffer*> sides;  // inputs of the chain that are no data and no weights
  Buffer* loss = nullptr;                // [1], on the host
  Buffer* loss_gradient = nullptr;
};

// What all micro-steps share.
struct StepShared {
  // Programs of the host by stage and segment; null for the device's.
  std::vector<std::vector<std::unique_ptr<Executable>>> host_programs;
  std::vector<size_t> surface_bytes;  // of each stage
  // Parameters on the device, by the host's buffer and the size of the surface.
  std::map<std::pair<const Buffer*, size_t>, std::unique_ptr<Buffer>> weights;
  // After every change of the weights, and once of those that do not change.
  std::deque<Task> weight_copies, frozen_copies;

  int host_program_count() const;
};

struct StepInputs {
  const TrainingSetup& setup;
  const StageChain& chain;
  const std::vector<StageSegments>& stages;
  const ParameterLookup &values, &gradients;
  DevicePrograms& programs;
  TaskRunner& runner;
};

StepShared share_steps(const StepInputs& inputs);
void build_step(const StepInputs& inputs, StepShared& shared, Step& step);

}  // namespace anemone
