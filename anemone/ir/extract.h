// Cuts a part out of a function.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

// The operations of `source` that `outputs` need, as a function of its own. Values for which
// `given` holds are not computed but become inputs, under their names; so do the inputs of `source`
// that are needed. Inputs come in the order of definition. No output may be given or an input.
Function extract(const Function& source, std::string name, const std::vector<Value>& outputs,
                 const std::function<bool(Value)>& given);

}  // namespace anemone
