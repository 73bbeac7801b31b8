#include "anemone/devices/ane_spec/limits.h"

namespace anemone {

Limits limits_of(AneFamily family) {
  switch (family) {
    case AneFamily::kH13:
      return {.spatial = 16384, .conv_kernel_width = 13, .pool_window = 29, .slice_clamps = true};
    case AneFamily::kH14:
      return {.spatial = 16384, .conv_kernel_width = 13, .pool_window = 31, .slice_clamps = true};
    case AneFamily::kH15:
      return {.spatial = 16384, .conv_kernel_width = 13, .pool_window = 31};
    case AneFamily::kH16:
    case AneFamily::kH17:
    case AneFamily::kH18:
      break;
  }
  return {.spatial = 65536, .conv_kernel_width = 15, .pool_window = 31};
}

}  // namespace anemone
