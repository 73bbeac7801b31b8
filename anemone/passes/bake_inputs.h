// Turns inputs into constants: weights baked into a program.
#pragma once

#include <map>
#include <string>

#include "anemone/ir/program.h"

namespace anemone {

// Each named input becomes a constant of its own type with these numbers, converted. A view without
// data gives a constant whose numbers are not there, as that of a weight file that is not loaded.
void bake_inputs(Function& function, const std::map<std::string, TensorView>& constants);

}  // namespace anemone
