// What a convolution is: images, a window that slides over them, and where its taps lie in memory.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace anemone {

// Depth, height and width; axes that an image does not have are 1 long.
using Spatial = std::array<int64_t, 3>;

inline int64_t volume(const Spatial& s) { return s[0] * s[1] * s[2]; }

// Positions of a small image tied to positions of a large one:
// large = small * stride + tap * dilation - before.
// conv leads from the large image to the small one, conv_transpose back. The weight is
// [small channels, large channels / groups, kernel] for both.
struct ConvShape {
  int64_t batch = 1, groups = 1, large_channels = 0, small_channels = 0;
  Spatial large = {1, 1, 1}, small = {1, 1, 1}, kernel = {1, 1, 1};
  Spatial strides = {1, 1, 1}, dilations = {1, 1, 1}, before = {0, 0, 0};

  int64_t taps() const { return volume(kernel); }
  int64_t large_in_group() const { return large_channels / groups; }
  int64_t small_in_group() const { return small_channels / groups; }

  // Whether the window is larger than what it leaves, as of a weight's gradient: there the small
  // image and the kernel have changed places.
  bool has_large_window() const;
  // They change places.
  ConvShape swapped() const;
};

// A plane of the large image as far as the window reaches, split by the remainders of positions
// divided by the strides: what one tap sees of neighbouring small positions lies side by side,
// whatever the stride, and rows of all taps are equally far apart.
class SplitPlane {
 public:
  explicit SplitPlane(const ConvShape& shape);

  // Whether it is the plane of the image itself.
  bool is_plain() const { return is_plain_; }
  int64_t size() const { return size_; }  // floats
  int64_t row() const { return part_[2]; }
  const Spatial& part() const { return part_; }
  // Where tap t sees the first small position, and the small position (z, y, x) from there.
  const std::vector<int64_t>& taps() const { return taps_; }
  int64_t position(int64_t z, int64_t y, int64_t x) const {
    return (z * part_[1] + y) * part_[2] + x;
  }
  // Calls visit(position, first small index, count) for the rows of the small image.
  template <typename Visit>
  void for_each_row(const Visit& visit) const {
    for (int64_t z = 0, i = 0; z < small_[0]; ++z) {
      for (int64_t y = 0; y < small_[1]; ++y, i += small_[2])
        visit(position(z, y, 0), i, small_[2]);
    }
  }

  // Takes the plane apart, `outside` around it, and puts it together again: places that no tap
  // sees become `outside`.
  void split(const float* image, float* parts, float outside = 0) const;
  void join(const float* parts, float outside, float* image) const;

 private:
  // Calls visit(z, y, phase of x) for rows of parts in the order of memory.
  template <typename Visit>
  void for_each_part_row(const Visit& visit) const;

  Spatial large_, small_, strides_, before_;
  Spatial part_;                                // sizes of a part
  std::array<std::vector<int64_t>, 3> phases_;  // remainders that taps see
  std::vector<int64_t> taps_;
  int64_t size_ = 0;
  bool is_plain_ = false;
};

}  // namespace anemone
