// Parameters that training leaves as they are.
#pragma once

#include <functional>
#include <string>

#include "anemone/ir/stage.h"

namespace anemone {

// Names the frozen weights of every stage: those whose parameter `trains` says no to. Uses of one
// stage that train different weights get stages of their own.
void freeze(StageChain& chain, const std::function<bool(const std::string& parameter)>& trains);

// Makes the matrices among frozen weights bf16: a table's rows are widened after they are looked
// up, other readers see a cast, which a device whose products round to bf16 leaves out.
void store_frozen_in_bf16(StageChain& chain);

}  // namespace anemone
