// The windows of convolutions and pooling whose types are inferred, as the kernels want them.
#pragma once

#include "anemone/kernels/conv_shape.h"
#include "anemone/ops/op_args.h"

namespace anemone {

// Of a conv or conv_transpose.
ConvShape window_of_conv(const OpArgs& args);
// Of a pool: the input is the large image, and every channel a group.
ConvShape window_of_pool(const OpArgs& args);

}  // namespace anemone
