// A stage as the programs that a placement makes of its forward, backward and weight-gradient
// functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "anemone/devices/device.h"
#include "anemone/ir/stage.h"
#include "anemone/runtime/placement.h"

namespace anemone {

struct StageSegment {
  Function function;  // of the device's float type
  Part part = Part::kForward;
  bool on_device = false;
  std::string label = {};                   // "attention backward core"
  std::vector<std::string> weights = {};    // those of its inputs that hold weights
  std::vector<std::string> constants = {};  // of these, those that a compiled program has in it
  bool changes = false;                     // one of the constants is trained
  HostWork work = {};                       // where it runs on the host
  std::string category = {};                // "ane", or the kind of host work: "cls", "layers", …
};

struct StageSegments {
  std::vector<StageSegment> segments;  // in the order of a step
  // What went to the host although the placement says device, and why.
  std::vector<std::string> fallbacks;
};

// `strict`: what the device does not accept is an Error instead of a fallback. With `recompute`
// there is a part that makes again what backward reads of forward.
StageSegments segment_stage(const Stage& stage, const Placement& placement, const Device& device,
                            bool strict, bool recompute = false);

// What segments of the host hand to each other within the stage takes the type to which the host
// rounds the operands of products, where nothing else reads it.
void narrow_host_ports(const Stage& stage, DType products, std::vector<StageSegment>& segments);

// What a host has to do for a function.
HostWork host_work(const Function& function);

}  // namespace anemone
