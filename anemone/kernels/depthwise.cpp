#include "anemone/kernels/depthwise.h"

#include <algorithm>

#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

constexpr int64_t kSlack = 64;

int64_t whole_lines(int64_t floats) { return (floats + 15) / 16 * 16; }

}  // namespace

DepthwiseConv::DepthwiseConv(const ConvShape& shape)
    : shape_(shape), plane_(shape.has_large_window() ? shape.swapped() : shape) {
  if (DepthwiseLanes::takes(shape)) lanes_.emplace(shape);
}

// A plane, and sums of all its positions.
size_t DepthwiseConv::thread_floats() const {
  return static_cast<size_t>(whole_lines(plane_.size() + kSlack) +
                             whole_lines(volume(plane_.part()) + kSlack));
}

size_t DepthwiseConv::scratch_floats(int threads) const {
  if (lanes_) return lanes_->scratch_floats(threads);
  return static_cast<size_t>(threads) * thread_floats();
}

void DepthwiseConv::run(ThreadPool& pool, const float* x, const float* weight, float* out,
                        const ConvFinish& finish, float* scratch) const {
  if (lanes_) return lanes_->run(pool, x, weight, out, finish, scratch);
  const int64_t large = volume(shape_.large), small = volume(shape_.small);
  const int64_t each = shape_.small_in_group();
  const auto planes = static_cast<size_t>(shape_.batch * shape_.large_channels);
  const auto grain = static_cast<size_t>(4096 / (small * shape_.taps()) + 1);
  const auto work = [&](size_t begin, size_t end, int thread) {
    float* memory = scratch + static_cast<size_t>(thread) * thread_floats();
    float* sums = memory + whole_lines(plane_.size() + kSlack);
    for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
      const float* plane = x + i * large;
      if (!plane_.is_plain()) plane_.split(plane, memory);
      // A plane of the image is copied too: whole vectors of it may not be there.
      if (plane_.is_plain()) std::copy_n(plane, large, memory);
      plane = memory;
      for (int64_t o = 0; o < each; ++o) {
        const int64_t channel = i % shape_.large_channels * each + o;
        const int64_t image = i / shape_.large_channels;
        float* to = out + (image * shape_.small_channels + channel) * small;
        const float* taps = weight + channel * shape_.taps();
        shape_.has_large_window() ? run_large_window(plane, taps, finish.at(channel, 0), to)
                                  : run_plane(plane, taps, sums, finish.at(channel, 0), to);
      }
    }
  };
  pool.parallel_for(planes, grain, work, planes > 64 ? 4 : 1);
}

// Row by row, or where rows are short all positions of a part at once, also those between the rows
// of the output, which are not kept.
void DepthwiseConv::run_plane(const float* plane, const float* weight, float* sums,
                              const ConvFinish& finish, float* out) const {
  const Spatial& small = shape_.small;
  const int64_t lanes = simd::conv_lanes(), taps = shape_.taps();
  const int64_t* offsets = plane_.taps().data();
  if (small[2] >= 2 * lanes || small[2] == lanes) {
    return plane_.for_each_row([&](int64_t from, int64_t to, int64_t width) {
      simd::depthwise(plane + from, offsets, weight, taps, finish, out + to, width);
    });
  }
  const int64_t slice = small[1] * small[2];
  for (int64_t z = 0; z < small[0]; ++z) {
    const int64_t from = plane_.position(z, 0, 0);
    const int64_t count = std::max(plane_.position(z, small[1] - 1, small[2]) - from, lanes);
    simd::depthwise(plane + from, offsets, weight, taps, finish, sums, count);
    simd::copy_rows(sums, plane_.row(), small[2], small[1], out + z * slice, small[2]);
  }
}

// Products of the rows of the window with what each position sees of them.
void DepthwiseConv::run_large_window(const float* plane, const float* weight,
                                     const ConvFinish& finish, float* out) const {
  for (int64_t i = 0; i < volume(shape_.small); ++i) {
    const float* seen = plane + plane_.taps()[static_cast<size_t>(i)];
    float sum = 0;
    plane_.for_each_row([&](int64_t from, int64_t first, int64_t width) {
      sum += simd::dot(seen + from, weight + first, static_cast<size_t>(width));
    });
    out[i] = sum;
  }
  simd::finish_conv(out, volume(shape_.small), finish);
}

}  // namespace anemone
