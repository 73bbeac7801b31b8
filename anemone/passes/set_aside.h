// Takes out of a program what cannot be understood, so that the rest can be.
#pragma once

#include "anemone/passes/specialize_shapes.h"

namespace anemone {

// Removes every operation that no row of the registry knows or that breaks a rule, and makes what
// it gave an input of the function, of its declared type. Sizes that stay open after `shapes` (as
// specialize_shapes takes them) are taken as 1, at inputs as well as at such results. Returns what
// was wrong in order of place, open sizes first. What verify_structure() finds stays and is
// returned alone. Throws Error(kInvalidInput) for shapes that fit no input.
std::vector<Diagnostic> set_aside_invalid(Function& function, const InputShapes& shapes);

}  // namespace anemone
