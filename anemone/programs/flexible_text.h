// Open sizes in MIL text: the function's attribute FlexibleShapeInformation, as compiled models
// have it. A tuple of pairs: ("DefaultShapes", shapes by input), ("RangeDims", ranges by input),
// ("EnumeratedShapes", choices by a key of eight digits, each with shapes by input).
#pragma once

#include <vector>

#include "anemone/ir/program.h"
#include "anemone/package/model_info.h"

namespace anemone {

// Returns what the attribute says of the function's inputs: default shapes, ranges, enumerated
// shapes. Empty where there is none; parts that it does not know or that fit no input are left out.
std::vector<Feature> flexible_inputs(const Function& function);

// Writes the attribute from what is known of the inputs with open sizes, in the place of the one
// that is there; none where nothing is known.
void set_flexible_inputs(Function& function, const std::vector<Feature>& inputs);

}  // namespace anemone
