// Depthwise convolutions of images with a channel in each lane of a vector: rows are transposed on
// the way in and out, and neither strides nor short rows cost anything.
#pragma once

#include <cstddef>

#include "anemone/base/threads.h"
#include "anemone/kernels/conv_shape.h"
#include "anemone/kernels/simd_conv.h"

namespace anemone {

// One output channel for each input channel, images without depth.
class DepthwiseLanes {
 public:
  static bool takes(const ConvShape& shape);
  explicit DepthwiseLanes(const ConvShape& shape);

  size_t scratch_floats(int threads) const;
  // x [N, C, H, W], weight [C, 1, KH, KW] → out [N, C, OH, OW]. Without an addend.
  void run(ThreadPool& pool, const float* x, const float* weight, float* out,
           const ConvFinish& finish, float* scratch) const;

 private:
  struct Block;  // some channels of an image, and the rows of the output that a thread makes
  struct Memory;

  size_t thread_floats() const;
  Memory memory_at(float* begin) const;
  void fill_row(const Block& block, int64_t row, float* to) const;
  void store_rows(const Block& block, int64_t row, int64_t rows, const float* from) const;
  void run_block(const Block& block, const ConvFinish& finish, const Memory& memory) const;

  ConvShape shape_;
  int64_t lanes_;
  int64_t reach_;     // rows of the image that one row of the output sees, holes included
  int64_t width_;     // columns of the image that it sees, with padding
  int64_t together_;  // rows of the output that are stored at once
};

}  // namespace anemone
