#include "anemone/passes/passes.h"

namespace anemone {

void optimize(Function& function) {
  function.remove_unused();
  if (unpack_weights(function)) function.remove_unused();
  fold_constants(function);
  fold_batch_norm(function);
  fuse_accumulation(function);
  fuse_sums(function);
  order_arguments(function);
}

}  // namespace anemone
