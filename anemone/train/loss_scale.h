// Loss scaling: gradients are computed of `scale * loss`, so that fp16 can hold the small ones, and
// divided by it before they are used (Micikevicius et al. 2018).
#pragma once

#include <cstdint>

namespace anemone {

// Dynamic: an update whose gradients are not finite is skipped and halves the scale; after
// `interval` good updates in a row it doubles. As torch.cuda.amp.GradScaler, with a shorter
// interval because runs on the Neural Engine are short.
struct LossScale {
  static constexpr double kFirst = 4096, kLeast = 1, kMost = 0x1p24;
  static constexpr int64_t kInterval = 200;

  double scale = 1;
  bool dynamic = false;
  int64_t good = 0;     // good updates in a row
  int64_t skipped = 0;  // updates, in all

  static LossScale fixed(double scale) { return {scale, false, 0, 0}; }
  static LossScale automatic() { return {kFirst, true, 0, 0}; }

  // Whether the update goes ahead, given that its gradients are or are not finite.
  bool update(bool finite);
};

}  // namespace anemone
