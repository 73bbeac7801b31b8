// Fusion of matrix products with what runs next to them.
#pragma once

#include <unordered_set>

#include "anemone/devices/cpu/narrow_storage.h"

namespace anemone {

struct ProductFusion {
  // Operations that are the epilogue of the product before them: they run on its rows as soon as
  // these are done, while they are in the caches. They overwrite nothing that the product reads:
  // their other operands are different ones.
  std::unordered_set<const Operation*> epilogues;
  // Products that reuse the operand that the product before them packed.
  std::unordered_set<const Operation*> packed_reuse;
};

ProductFusion find_product_fusion(const Function& function, const Kernels& kernels,
                                  const NarrowStorage& narrow);

}  // namespace anemone
