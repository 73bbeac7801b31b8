#include "anemone/kernels/conv_transpose.h"

#include <algorithm>

namespace anemone {
namespace {

using simd::kConvRows;

constexpr int64_t kSlack = 64;
// Of the products of a block of channels.
constexpr int64_t kMostProducts = 1 << 20;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t whole_lines(int64_t floats) { return divide_up(floats, 16) * 16; }

// Floats of a packed panel of columns, with those that are written beyond its end.
int64_t panel_floats(const ColumnPanels::Panel& panel, int64_t depth) {
  const int64_t width =
      panel.vectors > 0 ? panel.vectors * simd::conv_lanes() : simd::kConvColumns * kConvRows;
  return whole_lines(width * depth + kSlack);
}

}  // namespace

ConvTranspose::ConvTranspose(const ConvShape& shape)
    : shape_(shape), plane_(shape), panels_(volume(shape.small)) {
  const int64_t products = shape.taps() * volume(shape.small);
  block_ = std::clamp<int64_t>(kMostProducts / std::max<int64_t>(products, 1), 1, kConvRows);
  block_ = std::min(block_, shape.large_in_group());
  starts_.push_back(0);
  for (int64_t i = 0; i < panels_.count(); ++i) {
    starts_.push_back(starts_.back() + panel_floats(panels_.at(i), depth()));
  }
}

int64_t ConvTranspose::blocks() const { return divide_up(shape_.large_in_group(), block_); }

int64_t ConvTranspose::channels_of(int64_t block) const {
  return std::min(block_, shape_.large_in_group() - block * block_);
}

int64_t ConvTranspose::block_panels() const { return divide_up(block_ * shape_.taps(), kConvRows); }

size_t ConvTranspose::weight_floats() const {
  return weight_blocks() * static_cast<size_t>(block_panels() * kConvRows * depth());
}

// Rows of a block are its channels' taps; the sum goes over small channels.
void ConvTranspose::pack_weights(const float* weight, float* packed, size_t begin,
                                 size_t end) const {
  const int64_t stride = shape_.large_in_group() * shape_.taps();
  for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
    const int64_t group = i / blocks(), block = i % blocks();
    const int64_t rows = channels_of(block) * shape_.taps();
    const float* from = weight + group * depth() * stride + block * block_ * shape_.taps();
    float* to = packed + i * block_panels() * kConvRows * depth();
    for (int64_t row = 0; row < block_panels() * kConvRows; row += kConvRows) {
      const int64_t count = std::clamp<int64_t>(rows - row, 0, kConvRows);
      for (int64_t k = 0; k < depth(); ++k, to += kConvRows) {
        if (count == kConvRows) {
          std::copy_n(from + k * stride + row, kConvRows, to);
          continue;
        }
        std::copy_n(from + k * stride + row, count, to);
        std::fill_n(to + count, kConvRows - count, 0.0f);
      }
    }
  }
}

size_t ConvTranspose::columns_floats() const {
  return static_cast<size_t>(shape_.groups * starts_.back());
}

// Products of a block, and a plane that they are added up in.
size_t ConvTranspose::thread_floats() const {
  return static_cast<size_t>(
      whole_lines(block_panels() * kConvRows * volume(shape_.small) + kSlack) +
      whole_lines(plane_.size() + kSlack));
}

size_t ConvTranspose::scratch_floats(int threads) const {
  return static_cast<size_t>(whole_lines(static_cast<int64_t>(columns_floats()))) +
         static_cast<size_t>(threads) * thread_floats();
}

// Of all groups, one after another.
void ConvTranspose::pack_columns(ThreadPool& pool, const float* x, float* packed) const {
  const int64_t positions = volume(shape_.small), count = panels_.count(), no_offset = 0;
  const auto work = [&](size_t begin, size_t end, int) {
    for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
      const int64_t group = i / count, index = i % count;
      const ColumnPanels::Panel panel = panels_.at(index);
      const simd::ColumnRun run{panel.first, panel.n};
      const simd::PanelSource source{x + group * depth() * positions,
                                     x + shape_.small_channels * positions,
                                     positions,
                                     &no_offset,
                                     1,
                                     &run,
                                     1};
      float* to = packed + group * starts_.back() + starts_[static_cast<size_t>(index)];
      if (panel.vectors > 0) {
        simd::pack_columns(source, 0, depth(), panel.vectors * simd::conv_lanes(), to);
      } else {
        simd::pack_single_columns(source, 0, depth(), to);
      }
    }
  };
  pool.parallel_for(static_cast<size_t>(shape_.groups * count), 1, work);
}

void ConvTranspose::run(ThreadPool& pool, const float* x, const float* packed_weights, float* out,
                        const ConvFinish& finish, float* scratch) const {
  const int64_t image = shape_.small_channels * volume(shape_.small);
  const int64_t result = shape_.large_channels * volume(shape_.large);
  const int64_t columns = whole_lines(static_cast<int64_t>(columns_floats()));
  const bool multiplies = depth() > 1;
  for (int64_t n = 0; n < shape_.batch; ++n, x += image, out += result) {
    if (multiplies) pack_columns(pool, x, scratch);
    const auto work = [&](size_t begin, size_t end, int thread) {
      float* memory = scratch + columns + thread * static_cast<int64_t>(thread_floats());
      for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
        const float* weights = packed_weights + i * block_panels() * kConvRows * depth();
        run_block(multiplies ? scratch : x, weights, i / blocks(), i % blocks(), memory, out,
                  finish);
      }
    };
    pool.parallel_for(weight_blocks(), 1, work, weight_blocks() > 64 ? 4 : 1);
  }
}

void ConvTranspose::run_block(const float* columns, const float* weights, int64_t group,
                              int64_t block, float* memory, float* out,
                              const ConvFinish& finish) const {
  const int64_t positions = volume(shape_.small), channels = channels_of(block);
  float* plane = memory + whole_lines(block_panels() * kConvRows * positions + kSlack);
  if (depth() > 1) multiply_block(columns + group * starts_.back(), weights, channels, memory);
  for (int64_t c = 0; c < channels; ++c) {
    const int64_t channel = group * shape_.large_in_group() + block * block_ + c;
    std::fill_n(plane, plane_.size(), 0.0f);
    if (depth() > 1) {
      add_columns(memory + c * shape_.taps() * positions, nullptr, plane);
    } else {
      add_columns(columns + group * positions, weights + c * shape_.taps(), plane);
    }
    float* to = out + channel * volume(shape_.large);
    plane_.join(plane, 0, to);
    simd::finish_conv(to, volume(shape_.large), finish.at(channel, 0));
  }
}

// The products of every tap of some channels with every position.
void ConvTranspose::multiply_block(const float* columns, const float* weights, int64_t channels,
                                   float* products) const {
  const int64_t positions = volume(shape_.small), rows = channels * shape_.taps();
  for (int64_t i = 0; i < panels_.count(); ++i) {
    const ColumnPanels::Panel panel = panels_.at(i);
    simd::conv_tile({.a = weights,
                     .b = columns + starts_[static_cast<size_t>(i)],
                     .a_stride = depth() * kConvRows,
                     .k = depth(),
                     .rows = rows,
                     .vectors = panel.vectors,
                     .n = panel.n,
                     .c = products + panel.first,
                     .stride = positions,
                     .adds = false,
                     .finish = nullptr});
  }
}

// Adds what each tap has to the positions that it sees: `rows` has the products of every tap, or
// one small plane that is multiplied by the taps' weights.
void ConvTranspose::add_columns(const float* rows, const float* weights, float* plane) const {
  const int64_t positions = volume(shape_.small);
  for (int64_t tap = 0; tap < shape_.taps(); ++tap) {
    float* seen = plane + plane_.taps()[static_cast<size_t>(tap)];
    const float* from = weights ? rows : rows + tap * positions;
    const float factor = weights ? weights[tap] : 1;
    plane_.for_each_row([&](int64_t to, int64_t first, int64_t width) {
      simd::add_scaled(from + first, factor, seen + to, width);
    });
  }
}

}  // namespace anemone
