// Gives every literal argument a name.
#pragma once

#include "anemone/ir/program.h"

namespace anemone {

// Moves literals that stand in place of arguments into `const` operations before their use, named
// after the result and the parameter ("y_axis", in tuples "y_values_0"). The ANE compiler refuses
// most literals in place. Operations named constexpr_… keep theirs: their parameters are no values.
// The function must be structurally valid.
void name_constants(Function& function);

}  // namespace anemone
