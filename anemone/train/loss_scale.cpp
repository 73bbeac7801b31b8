#include "anemone/train/loss_scale.h"

#include <algorithm>

namespace anemone {

bool LossScale::update(bool finite) {
  if (!finite) {
    good = 0;
    ++skipped;
    if (dynamic) scale = std::max(scale / 2, kLeast);
    return false;
  }
  if (dynamic && ++good >= kInterval) {
    good = 0;
    scale = std::min(scale * 2, kMost);
  }
  return true;
}

}  // namespace anemone
