#include "anemone/kernels/depthwise_lanes.h"

#include <algorithm>
#include <array>
#include <vector>

namespace anemone {
namespace {

constexpr int64_t kMostLanes = 16, kMostRows = 16;
constexpr int64_t kTogether = 128;  // positions, so that few of them fill no square

}  // namespace

struct DepthwiseLanes::Block {
  const float *image, *weight;  // of the first channel
  float* out;
  int64_t channel, channels;  // first one, and how many: at most a vector
  int64_t first, last;        // rows of the output
};

// Of one thread. Rows of the image lie in a ring: row r in place r % reach.
struct DepthwiseLanes::Memory {
  float *ring, *zeros, *result, *weights, *bias;
};

// Long rows of stride 1 are faster as they lie.
bool DepthwiseLanes::takes(const ConvShape& s) {
  const bool pays = s.strides[2] > 1 || s.small[2] < kMostLanes;
  return pays && s.large_in_group() == 1 && s.small_in_group() == 1 && s.kernel[0] == 1 &&
         s.large[0] == 1 && s.small[0] == 1 && s.kernel[1] <= kMostRows && !s.has_large_window() &&
         s.large_channels >= simd::conv_lanes();
}

DepthwiseLanes::DepthwiseLanes(const ConvShape& shape)
    : shape_(shape),
      lanes_(simd::conv_lanes()),
      reach_((shape.kernel[1] - 1) * shape.dilations[1] + 1),
      width_((shape.small[2] - 1) * shape.strides[2] + (shape.kernel[2] - 1) * shape.dilations[2] +
             1),
      together_(std::clamp<int64_t>(kTogether / shape.small[2], 1, shape.small[1])) {}

size_t DepthwiseLanes::thread_floats() const {
  const int64_t vectors = (reach_ + 1) * width_ + together_ * shape_.small[2] + shape_.taps() + 1;
  return static_cast<size_t>(vectors * lanes_);
}

size_t DepthwiseLanes::scratch_floats(int threads) const {
  return static_cast<size_t>(threads) * thread_floats();
}

DepthwiseLanes::Memory DepthwiseLanes::memory_at(float* begin) const {
  Memory memory{};
  memory.ring = begin;
  memory.zeros = memory.ring + reach_ * width_ * lanes_;
  memory.result = memory.zeros + width_ * lanes_;
  memory.weights = memory.result + together_ * shape_.small[2] * lanes_;
  memory.bias = memory.weights + shape_.taps() * lanes_;
  return memory;
}

void DepthwiseLanes::run(ThreadPool& pool, const float* x, const float* weight, float* out,
                         const ConvFinish& finish, float* scratch) const {
  const int64_t channels = shape_.large_channels, large = volume(shape_.large);
  const int64_t small = volume(shape_.small), groups = (channels + lanes_ - 1) / lanes_;
  // Enough pieces for the threads, none so small that what two of them transpose matters.
  const int64_t pieces = std::clamp<int64_t>(4 * pool.threads() / (groups * shape_.batch), 1,
                                             std::max<int64_t>(shape_.small[1] / 16, 1));
  const auto work = [&](size_t begin, size_t end, int thread) {
    const Memory memory = memory_at(scratch + static_cast<size_t>(thread) * thread_floats());
    std::fill_n(memory.zeros, width_ * lanes_, 0.0f);
    for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
      const int64_t group = i / pieces, piece = i % pieces;
      const int64_t channel = group % groups * lanes_, image = group / groups;
      const int64_t plane = image * channels + channel;
      run_block({.image = x + plane * large,
                 .weight = weight + channel * shape_.taps(),
                 .out = out + plane * small,
                 .channel = channel,
                 .channels = std::min(lanes_, channels - channel),
                 .first = shape_.small[1] * piece / pieces,
                 .last = shape_.small[1] * (piece + 1) / pieces},
                finish, memory);
    }
  };
  pool.parallel_for(static_cast<size_t>(groups * shape_.batch * pieces), 1, work);
}

// A row of the image, lane by channel, with its padding.
void DepthwiseLanes::fill_row(const Block& block, int64_t row, float* to) const {
  const int64_t before = std::min(shape_.before[2], width_);
  const int64_t count = std::clamp<int64_t>(width_ - before, 0, shape_.large[2]);
  std::array<const float*, kMostLanes> rows{};
  for (int64_t lane = 0; lane < lanes_; ++lane) {
    const int64_t channel = std::min(lane, block.channels - 1);  // some twice in the last block
    rows[static_cast<size_t>(lane)] =
        block.image + channel * volume(shape_.large) + row * shape_.large[2];
  }
  std::fill_n(to, before * lanes_, 0.0f);
  simd::transpose_columns(rows.data(), lanes_, count, lanes_, to + before * lanes_);
  std::fill(to + (before + count) * lanes_, to + width_ * lanes_, 0.0f);
}

// Rows of results, which follow one another in the output too.
void DepthwiseLanes::store_rows(const Block& block, int64_t row, int64_t rows,
                                const float* from) const {
  float* to = block.out + row * shape_.small[2];
  const int64_t positions = rows * shape_.small[2];
  std::array<const float*, kMostLanes> columns{};
  for (int64_t x = 0; x < positions; x += kMostLanes) {
    const int64_t count = std::min(kMostLanes, positions - x);
    for (int64_t i = 0; i < count; ++i) columns[static_cast<size_t>(i)] = from + (x + i) * lanes_;
    simd::transpose_columns(columns.data(), count, block.channels, volume(shape_.small), to + x);
  }
}

void DepthwiseLanes::run_block(const Block& block, const ConvFinish& finish,
                               const Memory& memory) const {
  std::array<const float*, kMostLanes> weights{};
  for (int64_t lane = 0; lane < lanes_; ++lane) {
    const int64_t channel = std::min(lane, block.channels - 1);
    weights[static_cast<size_t>(lane)] = block.weight + channel * shape_.taps();
    memory.bias[lane] = finish.bias ? finish.bias[block.channel + channel] : 0;
  }
  simd::transpose_columns(weights.data(), lanes_, shape_.taps(), lanes_, memory.weights);
  simd::LaneRow lane_row{.rows = {},
                         .weights = memory.weights,
                         .bias = memory.bias,
                         .kernel_rows = shape_.kernel[1],
                         .kernel_columns = shape_.kernel[2],
                         .step = shape_.strides[2],
                         .dilation = shape_.dilations[2],
                         .count = shape_.small[2],
                         .finish = &finish,
                         .out = nullptr};
  int64_t filled = -1;  // the last row in the ring
  int64_t made = 0;     // rows that are not stored yet
  for (int64_t y = block.first; y < block.last; ++y) {
    const int64_t top = y * shape_.strides[1] - shape_.before[1];
    for (int64_t k = 0; k < shape_.kernel[1]; ++k) {
      const int64_t row = top + k * shape_.dilations[1];
      const bool inside = row >= 0 && row < shape_.large[1];
      float* place = memory.ring + (inside ? row % reach_ : 0) * width_ * lanes_;
      if (inside && row > filled) {
        fill_row(block, row, place);
        if (shape_.dilations[1] == 1) filled = row;
      }
      lane_row.rows[k] = inside ? place : memory.zeros;
    }
    lane_row.out = memory.result + made * shape_.small[2] * lanes_;
    simd::depthwise_lanes(lane_row);
    if (++made < together_ && y + 1 < block.last) continue;
    store_rows(block, y + 1 - made, made, memory.result);
    made = 0;
  }
}

}  // namespace anemone
