#include "anemone/kernels/conv.h"

#include <algorithm>
#include <array>

namespace anemone {
namespace {

using simd::ColumnRun;
using simd::kConvColumns;
using simd::kConvRows;
using simd::kConvVectors;

// Along the sum, so that a packed panel of columns stays in the second-level cache.
constexpr int64_t kMostDepth = 2304;
// Positions of an image below which the next image fills the panel up.
constexpr int64_t kFewPositions = 96;
constexpr int64_t kMostPanelColumns = 48;
// What is written beyond the end of a panel.
constexpr int64_t kSlack = 64;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

ColumnPanels::ColumnPanels(int64_t columns, bool has_singles) : columns_(columns) {
  const int64_t lanes = simd::conv_lanes();
  int64_t vectors = columns / lanes;
  singles_ = columns % lanes;
  if (4 * singles_ > lanes || lanes < kConvRows || !has_singles) {
    vectors += singles_ > 0 ? 1 : 0;
    singles_ = 0;
  }
  threes_ = vectors / 3;
  const int64_t rest = vectors % 3;
  if (rest == 2) twos_ = 1;
  if (rest == 1 && threes_ == 0) ones_ = 1;
  if (rest == 1 && threes_ > 0) {
    --threes_;
    twos_ = 2;
  }
}

ColumnPanels::Panel ColumnPanels::at(int64_t index) const {
  const int64_t lanes = simd::conv_lanes();
  const auto panel = [&](int64_t first_vector, int64_t vectors) {
    const int64_t first = first_vector * lanes;
    return Panel{first, std::min(vectors * lanes, columns_ - first), vectors};
  };
  if (index < threes_) return panel(3 * index, 3);
  index -= threes_;
  if (index < twos_) return panel(3 * threes_ + 2 * index, 2);
  if (index < twos_ + ones_) return panel(0, 1);
  return {columns_ - singles_, singles_, 0};
}

// What a run works on.
struct Conv::Job {
  const float *images, *end, *weights;
  float* out;
  const ConvFinish& finish;
  float* memory;  // of the threads
};

Conv::Conv(const ConvShape& shape)
    : shape_(shape), plane_(shape.has_large_window() ? shape.swapped() : shape) {
  const int64_t positions = volume(shape.small);
  merges_ = shape.has_large_window() || (shape.batch > 1 && positions < kFewPositions);
  if (merges_) merged_ = shape.batch;
  panels_ = ColumnPanels(positions * merged_, !shape.has_large_window());
  depth_block_ = divide_up(depth(), divide_up(depth(), kMostDepth));
}

int64_t Conv::row_panels() const { return divide_up(shape_.small_in_group(), kConvRows); }

size_t Conv::weight_panels() const { return static_cast<size_t>(shape_.groups * row_panels()); }

size_t Conv::weight_floats() const {
  return weight_panels() * static_cast<size_t>(kConvRows * depth());
}

void Conv::pack_weights(const float* weight, float* packed, size_t begin, size_t end) const {
  for (size_t panel = begin; panel < end; ++panel) {
    const auto group = static_cast<int64_t>(panel) / row_panels();
    const auto first = static_cast<int64_t>(panel) % row_panels() * kConvRows;
    const int64_t rows = std::min(kConvRows, shape_.small_in_group() - first);
    const float* from = weight + (group * shape_.small_in_group() + first) * depth();
    float* to = packed + static_cast<int64_t>(panel) * kConvRows * depth();
    for (int64_t k = 0; k < depth(); ++k, to += kConvRows) {
      for (int64_t i = 0; i < kConvRows; ++i) to[i] = i < rows ? from[i * depth() + k] : 0.0f;
    }
  }
}

size_t Conv::image_floats() const {
  if (plane_.is_plain()) return 0;
  return static_cast<size_t>(merged_ * shape_.large_channels * plane_.size() + kSlack);
}

size_t Conv::thread_floats() const {
  const int64_t panel = std::max(depth_block_, int64_t{1}) * kMostPanelColumns + kSlack;
  const int64_t sums = merges_ ? row_panels() * kConvRows * kMostPanelColumns : 0;
  return static_cast<size_t>((panel + sums + 15) / 16 * 16);
}

size_t Conv::scratch_floats(int threads) const {
  return (image_floats() + 15) / 16 * 16 + static_cast<size_t>(threads) * thread_floats();
}

void Conv::run(ThreadPool& pool, const float* x, const float* packed_weights, float* out,
               const ConvFinish& finish, float* scratch) const {
  const int64_t image = shape_.large_channels * volume(shape_.large);
  const int64_t result = shape_.small_channels * volume(shape_.small);
  for (int64_t n = 0; n < shape_.batch; n += merged_) {
    const float* from = x + n * image;
    const ConvFinish there = finish.at(0, n * result);
    Job job{from,           x + shape_.batch * image,
            packed_weights, out + n * result,
            there,          scratch + (image_floats() + 15) / 16 * 16};
    if (!plane_.is_plain()) {
      const auto planes = static_cast<size_t>(merged_ * shape_.large_channels);
      const int64_t grain = 8192 / plane_.size() + 1;
      pool.parallel_for(planes, static_cast<size_t>(grain), [&](size_t begin, size_t end, int) {
        for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
          plane_.split(from + i * volume(shape_.large), scratch + i * plane_.size());
        }
      });
      job.images = scratch;
      job.end = scratch + image_floats();
    }
    run_images(pool, job);
  }
}

// Panels of columns one after another, each with all rows before the next.
void Conv::run_images(ThreadPool& pool, const Job& job) const {
  const int64_t rows = row_panels();
  const auto count = static_cast<size_t>(shape_.groups * panels_.count() * rows);
  const size_t shares = count > 64 ? 4 : 1;
  const auto work = [&](size_t begin, size_t end, int thread) {
    float* memory = job.memory + static_cast<size_t>(thread) * thread_floats();
    for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end);) {
      const int64_t panel = i / rows, row = i % rows;
      const int64_t row_end = std::min(rows, row + static_cast<int64_t>(end) - i);
      run_panel(job, panel / panels_.count(), panel % panels_.count(), row, row_end, memory);
      i += row_end - row;
    }
  };
  pool.parallel_for(count, 1, work, shares);
}

size_t Conv::find_runs(const ColumnPanels::Panel& panel, ColumnRun* runs) const {
  const int64_t width = shape_.small[2], height = shape_.small[1], positions = volume(shape_.small);
  const int64_t image = shape_.large_channels * plane_.size();
  size_t count = 0;
  for (int64_t column = panel.first, end = panel.first + panel.n; column < end;) {
    const int64_t n = column / positions, at = column % positions, x = at % width;
    const int64_t length = std::min(width - x, end - column);
    const int64_t from = n * image + plane_.position(at / width / height, at / width % height, x);
    if (count > 0 && runs[count - 1].from + runs[count - 1].count == from) {
      runs[count - 1].count += length;
    } else {
      runs[count++] = {from, length};
    }
    column += length;
  }
  return count;
}

// Rows of packed sums to where the images of the panel's columns have them.
void Conv::scatter(const Job& job, int64_t group, const ColumnPanels::Panel& panel, int64_t row,
                   int64_t rows, const float* from) const {
  const int64_t positions = volume(shape_.small);
  for (int64_t i = row; i < row + rows; ++i, from += kMostPanelColumns) {
    const int64_t channel = group * shape_.small_in_group() + i;
    for (int64_t column = panel.first, end = panel.first + panel.n; column < end;) {
      const int64_t n = column / positions, at = column % positions;
      const int64_t length = std::min(positions - at, end - column);
      std::copy_n(from + column - panel.first, length,
                  job.out + (n * shape_.small_channels + channel) * positions + at);
      column += length;
    }
  }
}

// Steps [k, k_end) of the sum.
void Conv::pack(const Job& job, int64_t group, const ColumnPanels::Panel& panel, int64_t k,
                int64_t k_end, float* to) const {
  const float* images = job.images + group * shape_.large_in_group() * plane_.size();
  if (shape_.has_large_window()) return pack_along_sum(images, panel, k, k_end, to);
  std::array<ColumnRun, kMostPanelColumns> runs;
  const simd::PanelSource source{images,
                                 job.end,
                                 plane_.size(),
                                 plane_.taps().data(),
                                 shape_.taps(),
                                 runs.data(),
                                 find_runs(panel, runs.data())};
  if (panel.vectors == 0) return simd::pack_single_columns(source, k, k_end, to);
  simd::pack_columns(source, k, k_end, panel.vectors * simd::conv_lanes(), to);
}

// Where it is the sum, not the columns, that memory has side by side.
void Conv::pack_along_sum(const float* images, const ColumnPanels::Panel& panel, int64_t k,
                          int64_t k_end, float* to) const {
  const int64_t positions = volume(shape_.small), width = shape_.kernel[2];
  const int64_t columns = panel.vectors * simd::conv_lanes();
  std::array<const float*, kMostPanelColumns> seen;
  while (k < k_end) {
    const int64_t channel = k / shape_.taps(), tap = k % shape_.taps(), x = tap % width;
    const int64_t row = tap / width, height = shape_.kernel[1];
    const int64_t count = std::min(width - x, k_end - k);
    const int64_t at = channel * plane_.size() + plane_.position(row / height, row % height, x);
    for (int64_t i = 0; i < panel.n; ++i) {
      const int64_t column = panel.first + i, n = column / positions;
      seen[static_cast<size_t>(i)] = images + n * shape_.large_channels * plane_.size() + at +
                                     plane_.taps()[static_cast<size_t>(column % positions)];
    }
    simd::transpose_columns(seen.data(), panel.n, count, columns, to);
    to += count * columns;
    k += count;
  }
}

void Conv::run_panel(const Job& job, int64_t group, int64_t index, int64_t row, int64_t row_end,
                     float* memory) const {
  const ColumnPanels::Panel panel = panels_.at(index);
  const int64_t positions = volume(shape_.small);
  const int64_t first = row * kConvRows, channel = group * shape_.small_in_group() + first;
  const int64_t rows = std::min(row_end * kConvRows, shape_.small_in_group()) - first;
  const int64_t offset = channel * positions + panel.first;
  const ConvFinish finish = job.finish.at(channel, offset);
  float* sums = memory + std::max(depth_block_, int64_t{1}) * kMostPanelColumns + kSlack;
  float* to = merges_ ? sums + first * kMostPanelColumns : job.out + offset;
  for (int64_t k = 0; k < depth(); k += depth_block_) {
    const int64_t k_end = std::min(depth(), k + depth_block_);
    pack(job, group, panel, k, k_end, memory);
    const bool is_last = k_end == depth();
    simd::conv_tile({.a = job.weights + ((group * row_panels() + row) * depth() + k) * kConvRows,
                     .b = memory,
                     .a_stride = depth() * kConvRows,
                     .k = k_end - k,
                     .rows = rows,
                     .vectors = panel.vectors,
                     .n = panel.n,
                     .c = to,
                     .stride = merges_ ? kMostPanelColumns : positions,
                     .adds = k > 0,
                     .finish = is_last ? &finish : nullptr});
    if (merges_ && is_last) scatter(job, group, panel, first, rows, to);
  }
}

}  // namespace anemone
