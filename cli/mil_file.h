// Reading MIL text for the verbs that take it.
#pragma once

#include <string>

#include "anemone/ir/program.h"

namespace anemone::cli {

// Parsed and verified. Throws Error at FILE:LINE:COLUMN; the message is the verifier's first
// finding, with the places of the others.
Program read_mil(const std::string& file);

// Loads the weight files that the program refers to, from beside `file`.
void load_weights_beside(Program& program, const std::string& file);

}  // namespace anemone::cli
