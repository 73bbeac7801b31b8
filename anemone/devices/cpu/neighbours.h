// What operations that run one after another can do for each other.
#pragma once

#include <unordered_set>

#include "anemone/devices/cpu/narrow_storage.h"

namespace anemone {

struct Neighbours {
  // Those that run on the rows of the product before them as soon as they are done, while they are
  // in the caches, instead of after it. They overwrite nothing that the product reads: their other
  // operands are different ones.
  std::unordered_set<const Operation*> followers;
  // Products that pack the same operand as the last one before them.
  std::unordered_set<const Operation*> repeaters;
};

Neighbours find_neighbours(const Function& function, const Kernels& kernels,
                           const NarrowStorage& narrow);

}  // namespace anemone
