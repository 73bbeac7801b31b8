// The transpose of a convolution, which is also its gradient with respect to the image: products
// of weights with all small positions, and sums of what they leave on the large ones.
#pragma once

#include <cstddef>

#include "anemone/base/threads.h"
#include "anemone/kernels/conv.h"

namespace anemone {

// From the small image to the large one.
class ConvTranspose {
 public:
  explicit ConvTranspose(const ConvShape& shape);

  size_t weight_floats() const;
  // In any number of pieces: `begin` and `end` are blocks of weight_blocks().
  size_t weight_blocks() const { return static_cast<size_t>(shape_.groups * blocks()); }
  void pack_weights(const float* weight, float* packed, size_t begin, size_t end) const;

  size_t scratch_floats(int threads) const;
  // Without an addend.
  void run(ThreadPool& pool, const float* x, const float* packed_weights, float* out,
           const ConvFinish& finish, float* scratch) const;

 private:
  int64_t depth() const { return shape_.small_in_group(); }
  int64_t blocks() const;
  int64_t channels_of(int64_t block) const;
  int64_t block_panels() const;
  size_t columns_floats() const;
  size_t thread_floats() const;
  void pack_columns(ThreadPool& pool, const float* x, float* packed) const;
  void run_block(const float* columns, const float* weights, int64_t group, int64_t block,
                 float* memory, float* out, const ConvFinish& finish) const;
  void multiply_block(const float* columns, const float* weights, int64_t channels,
                      float* products) const;
  void add_columns(const float* rows, const float* weights, float* plane) const;

  ConvShape shape_;
  SplitPlane plane_;
  ColumnPanels panels_;
  std::vector<int64_t> starts_;  // of packed panels
  int64_t block_ = 1;            // large channels that are summed up together
};

}  // namespace anemone
