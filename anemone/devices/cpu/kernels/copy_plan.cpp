#include "anemone/devices/cpu/kernels/copy_plan.h"

#include <algorithm>

namespace anemone {
namespace {

// A cache line of numbers.
constexpr int64_t kTile = 16;
constexpr int64_t kGrain = 4096;

// out [columns, out_stride] = xᵀ for a tile of x [rows, x_stride]. Whole lines are written: single
// numbers a power of two apart would push each other's lines out of the cache.
void transpose_tile(const float* x, int64_t x_stride, int64_t rows, int64_t columns, float* out,
                    int64_t out_stride) {
  float tile[kTile][kTile];
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < columns; ++c) tile[c][row] = x[row * x_stride + c];
  }
  for (int64_t c = 0; c < columns; ++c) std::copy_n(tile[c], rows, out + c * out_stride);
}

}  // namespace

Shape dense_strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

CopyPlan::CopyPlan(const Shape& shape, const Shape& from_strides, const Shape& to_strides,
                   int64_t from_offset, int64_t to_offset)
    : from_offset_(from_offset), to_offset_(to_offset) {
  for (size_t i = 0; i < shape.size(); ++i) {
    const Axis axis{shape[i], from_strides[i], to_strides[i]};
    if (axis.size == 1) continue;
    const bool goes_on = !outer_.empty() && outer_.back().from == axis.size * axis.from &&
                         outer_.back().to == axis.size * axis.to;
    if (goes_on) {
      outer_.back() = {outer_.back().size * axis.size, axis.from, axis.to};
    } else {
      outer_.push_back(axis);
    }
  }
  const auto take = [&](auto wanted, Axis& into) {
    const auto found = std::find_if(outer_.rbegin(), outer_.rend(), wanted);
    if (found == outer_.rend()) return;
    into = *found;
    outer_.erase(std::next(found).base());
  };
  take([](const Axis& axis) { return axis.to == 1; }, row_);
  if (row_.from != 1) take([](const Axis& axis) { return axis.from == 1; }, column_);
  for (const Axis& axis : outer_) outer_count_ *= axis.size;
}

void CopyPlan::run_outer(int64_t index, const float*& from, float*& to) const {
  for (size_t a = outer_.size(); a-- > 0; index /= outer_[a].size) {
    from += index % outer_[a].size * outer_[a].from;
    to += index % outer_[a].size * outer_[a].to;
  }
}

void CopyPlan::run(ThreadPool& pool, const float* from, float* to) const {
  from += from_offset_;
  to += to_offset_;
  column_.size > 1 ? run_tiles(pool, from, to) : run_rows(pool, from, to);
}

void CopyPlan::run_rows(ThreadPool& pool, const float* from, float* to) const {
  const auto grain = static_cast<size_t>(1 + kGrain / row_.size);
  pool.parallel_for(static_cast<size_t>(outer_count_), grain, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      const float* source = from;
      float* target = to;
      run_outer(static_cast<int64_t>(i), source, target);
      if (row_.from == 1) {
        std::copy_n(source, row_.size, target);
      } else {
        for (int64_t j = 0; j < row_.size; ++j) target[j] = source[j * row_.from];
      }
    }
  });
}

void CopyPlan::run_tiles(ThreadPool& pool, const float* from, float* to) const {
  const int64_t tiles = (column_.size + kTile - 1) / kTile;
  const auto grain = static_cast<size_t>(1 + kGrain / (kTile * row_.size));
  const auto work = [&](size_t begin, size_t end, int) {
    for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
      const float* source = from;
      float* target = to;
      run_outer(i / tiles, source, target);
      const int64_t column = i % tiles * kTile;
      for (int64_t row = 0; row < row_.size; row += kTile) {
        transpose_tile(source + column + row * row_.from, row_.from,
                       std::min(kTile, row_.size - row), std::min(kTile, column_.size - column),
                       target + row + column * column_.to, column_.to);
      }
    }
  };
  pool.parallel_for(static_cast<size_t>(outer_count_ * tiles), grain, work);
}

}  // namespace anemone
