// Which buffers stand for which ports of a program.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "anemone/devices/sim/sim_buffer.h"

namespace anemone {

using Ports = std::vector<std::pair<std::string, Type>>;

// One side of a program: ports in alphabetical order.
struct PortSide {
  const char* side;  // "input", "output"
  const Ports& ports;
  const std::string& function;
};

// The buffers in the order of the ports. Bindings without names are in that order already.
// Throws Error(kInvalidInput) for a port without a buffer of its type that is of this device.
std::vector<SimBuffer*> buffers_of(const PortSide& side, std::span<const Binding> bindings,
                                   const SimCounts& device);

// An output may share its buffer with nothing but the input that it was compiled to update.
void check_aliases(const PortSide& in, std::span<SimBuffer* const> inputs, const PortSide& out,
                   std::span<SimBuffer* const> outputs,
                   const std::vector<std::pair<std::string, std::string>>& in_place);

}  // namespace anemone
