#include "anemone/kernels/conv_shape.h"

#include <algorithm>
#include <utility>

#include "anemone/kernels/simd_conv.h"

namespace anemone {
namespace {

// The remainders that a tap can have, ascending.
std::vector<int64_t> phases_of(int64_t kernel, int64_t dilation, int64_t stride) {
  std::vector<int64_t> phases;
  for (int64_t tap = 0; tap < kernel; ++tap) phases.push_back(tap * dilation % stride);
  std::sort(phases.begin(), phases.end());
  phases.erase(std::unique(phases.begin(), phases.end()), phases.end());
  return phases;
}

int64_t index_of(const std::vector<int64_t>& phases, int64_t phase) {
  return std::lower_bound(phases.begin(), phases.end(), phase) - phases.begin();
}

}  // namespace

bool ConvShape::has_large_window() const {
  constexpr int64_t kFewPositions = 64, kManyTaps = 4;
  return volume(small) < kFewPositions && taps() > kManyTaps * volume(small) && kernel[2] > 1;
}

ConvShape ConvShape::swapped() const {
  ConvShape result = *this;
  std::swap(result.small, result.kernel);
  std::swap(result.strides, result.dilations);
  return result;
}

SplitPlane::SplitPlane(const ConvShape& s)
    : large_(s.large), small_(s.small), strides_(s.strides), before_(s.before) {
  is_plain_ = true;
  size_ = 1;
  for (size_t a = 0; a < 3; ++a) {
    const int64_t reach = (s.small[a] - 1) * s.strides[a] + (s.kernel[a] - 1) * s.dilations[a] + 1;
    phases_[a] = phases_of(s.kernel[a], s.dilations[a], s.strides[a]);
    part_[a] = (reach + s.strides[a] - 1) / s.strides[a];
    is_plain_ = is_plain_ && s.strides[a] == 1 && s.before[a] == 0 && reach <= s.large[a];
  }
  if (is_plain_) part_ = s.large;
  for (size_t a = 0; a < 3; ++a) size_ *= part_[a] * static_cast<int64_t>(phases_[a].size());
  for (int64_t tap = 0; tap < s.taps(); ++tap) {
    const Spatial at = {tap / (s.kernel[2] * s.kernel[1]), tap / s.kernel[2] % s.kernel[1],
                        tap % s.kernel[2]};
    int64_t part = 0;
    Spatial first{};
    for (size_t a = 0; a < 3; ++a) {
      const int64_t along = at[a] * s.dilations[a];
      part = part * static_cast<int64_t>(phases_[a].size()) +
             index_of(phases_[a], along % s.strides[a]);
      first[a] = along / s.strides[a];
    }
    taps_.push_back(part * volume(part_) + position(first[0], first[1], first[2]));
  }
}

// Rows of parts in the order of memory: visit(z, y, phase of x), where z and y may be outside.
template <typename Visit>
void SplitPlane::for_each_part_row(const Visit& visit) const {
  for (int64_t pz : phases_[0]) {
    for (int64_t py : phases_[1]) {
      for (int64_t px : phases_[2]) {
        for (int64_t z = 0; z < part_[0]; ++z) {
          for (int64_t y = 0; y < part_[1]; ++y) {
            visit(z * strides_[0] + pz - before_[0], y * strides_[1] + py - before_[1], px);
          }
        }
      }
    }
  }
}

void SplitPlane::split(const float* image, float* parts, float outside) const {
  for (int64_t pz : phases_[0]) {
    for (int64_t py : phases_[1]) {
      for (int64_t px : phases_[2]) {
        for (int64_t i = 0; i < part_[0]; ++i, parts += part_[1] * part_[2]) {
          const int64_t z = i * strides_[0] + pz - before_[0];
          const bool is_inside = z >= 0 && z < large_[0];
          simd::split_rows({.image = is_inside ? image + z * large_[1] * large_[2] : nullptr,
                            .height = large_[1],
                            .width = large_[2],
                            .y = py - before_[1],
                            .step_y = strides_[1],
                            .rows = part_[1],
                            .x = px - before_[2],
                            .step = strides_[2],
                            .columns = part_[2],
                            .outside = outside},
                           parts);
        }
      }
    }
  }
}

void SplitPlane::join(const float* parts, float outside, float* image) const {
  std::fill_n(image, volume(large_), outside);
  for_each_part_row([&](int64_t z, int64_t y, int64_t phase) {
    const int64_t stride = strides_[2], width = large_[2], start = phase - before_[2];
    const float* row = parts;
    parts += part_[2];
    if (z < 0 || z >= large_[0] || y < 0 || y >= large_[1]) return;
    const int64_t first = start < 0 ? (-start + stride - 1) / stride : 0;
    const int64_t last =
        std::min(part_[2], start < width ? (width - start + stride - 1) / stride : 0);
    float* to = image + (z * large_[1] + y) * width + start;
    for (int64_t j = first; j < last; ++j) to[j * stride] = row[j];
  });
}

}  // namespace anemone
