// A chain of stages compiled for a device and bound to memory: every stage once, shared by all its
// uses, one request a use.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "anemone/devices/device.h"
#include "anemone/ir/stage.h"
#include "anemone/runtime/timeline.h"

namespace anemone {

// Memory of a parameter by its name; never null for one that the chain uses.
using ParameterLookup = std::function<Buffer*(const std::string& parameter)>;

// Inputs of stages that are neither data nor weights: one buffer for all uses, by name.
using SideBuffers = std::map<std::string, std::unique_ptr<Buffer>>;

// Only forward: evaluation and generation.
class ForwardProgram {
 public:
  // `own_side`: side inputs and extra outputs for which every use has a buffer of its own (caches).
  // Those that uses of `lender` have with the same name and type are shared with it; it must live
  // longer.
  ForwardProgram(Device& device, const StageChain& chain, const ParameterLookup& values,
                 const std::vector<std::string>& own_side = {}, Timeline* timeline = nullptr,
                 ForwardProgram* lender = nullptr);

  // A side input (or extra output) that all uses share; null if the chain has none of that name.
  Buffer* side(const std::string& name);
  // The one of use `index`.
  Buffer* side(const std::string& name, size_t index);
  Buffer& output() { return *output_; }

  // Calls `after` with the index of each use of a stage that has run.
  void run(const std::function<void(size_t use)>& after = {});

 private:
  Timeline* timeline_;
  std::vector<std::unique_ptr<Executable>> executables_;
  std::vector<std::unique_ptr<Buffer>> activations_;
  SideBuffers shared_;
  std::vector<SideBuffers> own_;
  struct Step {
    std::unique_ptr<Request> request;
    size_t event;
    double flops, bytes;
  };
  std::vector<Step> steps_;
  Buffer* output_ = nullptr;
};

}  // namespace anemone
