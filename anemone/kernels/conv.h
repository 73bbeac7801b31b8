// Convolutions of fp32 images as products: weights in panels of rows, which are packed once where
// they are constant, and panels of columns, one for each position of the output, which are packed
// while they are multiplied. No matrix of all columns ever exists, images keep MIL's layout, and
// sums do not depend on the number of threads.
#pragma once

#include <cstddef>

#include "anemone/base/threads.h"
#include "anemone/kernels/conv_shape.h"
#include "anemone/kernels/simd_conv.h"

namespace anemone {

// Columns [0, count) in panels of up to three vectors, and at last single columns where these are
// few.
class ColumnPanels {
 public:
  struct Panel {
    int64_t first, n, vectors;
  };
  ColumnPanels() = default;
  explicit ColumnPanels(int64_t columns, bool has_singles = true);
  int64_t count() const { return threes_ + twos_ + ones_ + (singles_ > 0 ? 1 : 0); }
  Panel at(int64_t index) const;

 private:
  int64_t columns_ = 0, threes_ = 0, twos_ = 0, ones_ = 0, singles_ = 0;
};

// From the large image to the small one.
class Conv {
 public:
  explicit Conv(const ConvShape& shape);

  size_t weight_floats() const;
  // In any number of pieces: `begin` and `end` are panels of weight_panels().
  size_t weight_panels() const;
  void pack_weights(const float* weight, float* packed, size_t begin, size_t end) const;

  size_t scratch_floats(int threads) const;
  // Whether positions of several images share a panel: an addend is not taken then.
  bool merges_images() const { return merges_; }
  void run(ThreadPool& pool, const float* x, const float* packed_weights, float* out,
           const ConvFinish& finish, float* scratch) const;

 private:
  struct Job;
  int64_t depth() const { return shape_.large_in_group() * shape_.taps(); }
  int64_t row_panels() const;
  size_t thread_floats() const;
  size_t image_floats() const;
  void run_images(ThreadPool& pool, const Job& job) const;
  void run_panel(const Job& job, int64_t group, int64_t panel, int64_t row, int64_t row_end,
                 float* memory) const;
  void pack(const Job& job, int64_t group, const ColumnPanels::Panel& panel, int64_t k,
            int64_t k_end, float* to) const;
  void pack_along_sum(const float* images, const ColumnPanels::Panel& panel, int64_t k,
                      int64_t k_end, float* to) const;
  size_t find_runs(const ColumnPanels::Panel& panel, simd::ColumnRun* runs) const;
  void scatter(const Job& job, int64_t group, const ColumnPanels::Panel& panel, int64_t row,
               int64_t rows, const float* from) const;

  ConvShape shape_;
  SplitPlane plane_;
  bool merges_ = false;
  int64_t merged_ = 1;  // images that are one
  ColumnPanels panels_;
  int64_t depth_block_ = 0;
};

}  // namespace anemone
