// Ports as states: what Core ML keeps from one call to the next.
#pragma once

#include <span>

#include "anemone/passes/states_to_ports.h"

namespace anemone {

// The way back from states_to_ports(): the input of each pair becomes a state, read where the
// function begins, and what the output held is written to it where the function ends. A pair whose
// input the function lacks becomes a state that is only written, of the output's type.
// Throws Error(kInvalidInput) for states that Core ML does not hold: they are fp16.
void ports_to_states(Function& function, std::span<const StatePorts> states);

}  // namespace anemone
