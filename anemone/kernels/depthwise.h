// Convolutions whose every output channel reads one channel: too little arithmetic for products.
#pragma once

#include <cstddef>
#include <optional>

#include "anemone/base/threads.h"
#include "anemone/kernels/conv_shape.h"
#include "anemone/kernels/depthwise_lanes.h"
#include "anemone/kernels/simd_conv.h"

namespace anemone {

// From the large image to the small one, with a few outputs for a channel.
class DepthwiseConv {
 public:
  static bool takes(const ConvShape& s) {
    return s.large_in_group() == 1 && s.small_in_group() < simd::kConvRows / 2;
  }
  explicit DepthwiseConv(const ConvShape& shape);

  size_t scratch_floats(int threads) const;
  // Without an addend.
  void run(ThreadPool& pool, const float* x, const float* weight, float* out,
           const ConvFinish& finish, float* scratch) const;

 private:
  size_t thread_floats() const;
  void run_plane(const float* plane, const float* weight, float* sums, const ConvFinish& finish,
                 float* out) const;
  void run_large_window(const float* plane, const float* weight, const ConvFinish& finish,
                        float* out) const;

  ConvShape shape_;
  SplitPlane plane_;
  std::optional<DepthwiseLanes> lanes_;  // where it has the better way
};

}  // namespace anemone
