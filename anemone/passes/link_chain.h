// A chain of stages as one function: what a file holds that knows no stages.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "anemone/ir/stage.h"

namespace anemone {

// Numbers by the name of the parameter. Functions linked with the same tensors share their memory.
using ParameterTensors = std::map<std::string, std::shared_ptr<const Tensor>>;

// The name of a port of one use: an input that is neither data nor a weight, or an output that is
// not data. Uses that give it the same name share it.
using PortNames = std::function<std::string(const StageUse& use, const std::string& port)>;

// Writes the stages of all uses out, one after another. Weights become constants named after their
// parameters (dots as underscores), once each; so do the constants of a stage, for all its uses.
// Values are named after the label of their use. An input is what an earlier use puts out under
// that name, else an input of the function. Outputs are the last use's data, then whatever was put
// out and never taken.
// Tensors have the element type of the weights that they are bound to, and as many elements.
Function link_chain(const StageChain& chain, std::string name, const ParameterTensors& parameters,
                    const PortNames& port_name);

}  // namespace anemone
