// Copies between memories with any strides: transposes, slices, joins.
#pragma once

#include <vector>

#include "anemone/base/threads.h"
#include "anemone/tensor/shape.h"

namespace anemone {

// Elements of four bytes: to[to_offset + i * to strides] = from[from_offset + i * from strides]
// for indices i of `shape`.
class CopyPlan {
 public:
  CopyPlan(const Shape& shape, const Shape& from_strides, const Shape& to_strides,
           int64_t from_offset = 0, int64_t to_offset = 0);

  void run(ThreadPool& pool, const float* from, float* to) const;

 private:
  struct Axis {
    int64_t size, from, to;
  };
  void run_outer(int64_t index, const float*& from, float*& to) const;
  void run_rows(ThreadPool& pool, const float* from, float* to) const;
  void run_tiles(ThreadPool& pool, const float* from, float* to) const;

  std::vector<Axis> outer_;
  Axis row_{1, 0, 1};     // whose elements lie side by side in `to`
  Axis column_{1, 0, 1};  // whose elements lie side by side in `from` where the row's do not
  int64_t from_offset_, to_offset_, outer_count_ = 1;
};

// Of a dense tensor.
Shape dense_strides(const Shape& shape);

}  // namespace anemone
