// States as ordinary ports: what devices run that know no states.
#pragma once

#include <string>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

// One state: the input that takes its content before a run, and the output with its content after
// the run. No output where nothing writes it.
struct StatePorts {
  std::string input, output;
};

// Every input of type state becomes an input of the tensor that it holds, read_state what was
// written last, and what is written last an output "NAME_out". Returns the states in the order of
// the inputs. Throws Error(kInvalidInput) for states inside nested blocks.
std::vector<StatePorts> states_to_ports(Function& function);

}  // namespace anemone
