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
  Task* task = nullptr;
};

// Everything that a step consists of. Pointers into it stay valid.
struct Step {
  std::deque<Task> tasks;          // in program order
  std::deque<Task> weight_copies;  // after every change of the weights
  std::deque<DeviceStep> device_steps;
  std::vector<std::unique_ptr<Request>> host_requests;
  std::vector<std::unique_ptr<Executable>> host_programs;
  std::vector<std::unique_ptr<Buffer>> buffers;
  std::map<std::string, Buffer*> sides;  // inputs of the chain that are no data and no weights
  Buffer* loss = nullptr;                // [1], on the host
  Buffer* loss_gradient = nullptr;
};

struct StepInputs {
  const TrainingSetup& setup;
  const StageChain& chain;
  const std::vector<StageSegments>& stages;
  const ParameterLookup &values, &gradients;
  DevicePrograms& programs;
  TaskRunner& runner;
};

void build_step(const StepInputs& inputs, Step& step);

}  // namespace anemone
