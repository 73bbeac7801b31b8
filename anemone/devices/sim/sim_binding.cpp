#include "anemone/devices/sim/sim_binding.h"

#include <algorithm>

namespace anemone {
namespace {

std::string place(const PortSide& side, size_t port) {
  return std::string(side.side) + " '" + side.ports[port].first + "' of " + side.function;
}

Buffer* find_buffer(const PortSide& side, size_t port, std::span<const Binding> bindings) {
  if (port < bindings.size() && bindings[port].name.empty()) return bindings[port].buffer;
  const std::string& name = side.ports[port].first;
  const auto found = std::find_if(bindings.begin(), bindings.end(),
                                  [&](const Binding& binding) { return binding.name == name; });
  return found == bindings.end() ? nullptr : found->buffer;
}

}  // namespace

std::vector<SimBuffer*> buffers_of(const PortSide& side, std::span<const Binding> bindings,
                                   const SimCounts& device) {
  std::vector<SimBuffer*> buffers;
  for (size_t port = 0; port < side.ports.size(); ++port) {
    Buffer* bound = find_buffer(side, port, bindings);
    if (!bound) fail(place(side, port), "nothing is bound to it");
    auto* buffer = dynamic_cast<SimBuffer*>(bound);
    if (!buffer || !buffer->is_of(device))
      fail(place(side, port), "its buffer is another device's");
    const Type &type = side.ports[port].second, &held = buffer->type();
    if (held.dtype != type.dtype || element_count(held.shape) != element_count(type.shape)) {
      fail(place(side, port),
           "it takes " + to_string(type) + ", the buffer holds " + to_string(held));
    }
    buffers.push_back(buffer);
  }
  return buffers;
}

void check_aliases(const PortSide& in, std::span<SimBuffer* const> inputs, const PortSide& out,
                   std::span<SimBuffer* const> outputs,
                   const std::vector<std::pair<std::string, std::string>>& in_place) {
  for (size_t o = 0; o < outputs.size(); ++o) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::pair pair(in.ports[i].first, out.ports[o].first);
      const bool allowed = std::find(in_place.begin(), in_place.end(), pair) != in_place.end();
      if (inputs[i] != outputs[o] || allowed) continue;
      fail(place(out, o), "its buffer is also that of input '" + pair.first + "'");
    }
    for (size_t other = 0; other < o; ++other) {
      if (outputs[other] != outputs[o]) continue;
      fail(place(out, o), "its buffer is also that of output '" + out.ports[other].first + "'");
    }
  }
}

}  // namespace anemone
