// Networks of convolutions as MIL functions with random weights, for tests and benchmarks: image
// [N, 3, size, size] → logits [N, 1000].
#pragma once

#include "anemone/ir/program.h"

namespace anemone {

struct CnnOptions {
  DType dtype = DType::kFp32;
  int64_t batch = 1;
  int64_t image_size = 224;
  // Channels of every layer are divided by it: small networks of the same form.
  int64_t narrower = 1;
  uint64_t seed = 1;
};

// ResNet-50 (He et al. 2015), with the stride of a bottleneck in its 3x3 convolution.
Function resnet50(const CnnOptions& options);

// MobileNetV2 (Sandler et al. 2018).
Function mobilenet_v2(const CnnOptions& options);

}  // namespace anemone
