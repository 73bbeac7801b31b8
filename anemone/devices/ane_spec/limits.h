// How large things may be on the Neural Engine, by generation. Evidence: docs/ane.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "anemone/devices/ane_spec/chip.h"

namespace anemone {

// What differs from one generation to another.
struct Limits {
  int64_t spatial = 0;            // height, width, and the contraction of a matmul
  int64_t conv_kernel_width = 0;  // in fp16; the height is free
  int64_t pool_window = 0;        // on each axis
  bool slice_clamps = false;      // slices along the width saturate from 4094 on
};
Limits limits_of(AneFamily family);

// What holds for all of them.
namespace ane {

inline constexpr int64_t kMaxAxis = 65536;        // any axis, channels among them
inline constexpr int64_t kMaxConvInputs = 16384;  // input channels of a conv
inline constexpr size_t kMaxRank = 5;
inline constexpr int64_t kMaxStride = 8;  // dilation too
inline constexpr int64_t kMaxPad = 16;
inline constexpr double kMaxWeightBytes = 1.6e9;  // baked into one program
inline constexpr int kMaxAttentions = 30;         // decoder layers in one program
inline constexpr int kManyBranches = 12;          // that join in one operation
inline constexpr int64_t kShortSoftmax = 256;     // axes of any size up to here
inline constexpr int64_t kLanes = 16;             // widths of tokens are multiples of it
// Rows of surfaces are multiples of 64 bytes then, whose layout nobody disputes (docs/ane.md), and
// so are the contractions over tokens (ane.c15).
inline constexpr int kColumnMultiple = 32;
inline constexpr size_t kMinSurfaceBytes = 49152;
inline constexpr size_t kSurfacePage = 16384;
inline constexpr int kCompilesPerProcess = 119;
inline constexpr int kLoadedPrograms = 128;

}  // namespace ane
}  // namespace anemone
