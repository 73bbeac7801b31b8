// Windows that slide over one to three spatial axes: what convolution and pooling share.
// Rule numbers .c4 to .c7 mean the same for both families.
#pragma once

#include <string_view>
#include <vector>

#include "anemone/ops/builder.h"
#include "anemone/ops/op_args.h"

namespace anemone {

// Positions of a small image tied to positions of a large one:
// large = small * stride + tap * dilation - before.
struct Window {
  Shape large, small, kernel;  // spatial sizes
  Shape strides, dilations, before, after;

  size_t rank() const { return kernel.size(); }
  // Length of the kernel on an axis with its holes.
  int64_t extent(size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
  // Size of the large image that a whole small one reaches, before cropping.
  int64_t full(size_t axis) const { return (small[axis] - 1) * strides[axis] + extent(axis); }
};

enum class PadType { kValid, kCustom, kSame, kSameLower };
inline bool is_same(PadType type) { return type == PadType::kSame || type == PadType::kSameLower; }

// One number from 1 to 65536 for each spatial axis (`rule` of the operation), 1s where absent.
Shape read_steps(const OpArgs& args, const char* name, size_t rank, std::string_view rule);
PadType read_pad_type(const OpArgs& args);            // .c5
void read_custom_pad(const OpArgs& args, Window& w);  // .c6: 'pad' into before and after
// Shares `total` between both ends.
void pad_same(Window& w, size_t axis, int64_t total, PadType type);
// The small image from the large one; padding too where `type` asks for it. .c7
void place_small(const OpArgs& args, Window& w, PadType type);

// Positions tied to one another, on one axis or as linear indices.
struct Tie {
  int64_t small, tap, large;
};

// All ties of a window, combined axis by axis while they are visited. The taps of one small
// position are visited in ascending order.
class Ties {
 public:
  explicit Ties(const Window& window);

  template <typename Visit>
  void for_each(Visit&& visit, size_t axis = 0, Tie outer = {0, 0, 0}) const {
    for (const Tie& tie : axes_[axis]) {
      const Tie both = {outer.small * window_.small[axis] + tie.small,
                        outer.tap * window_.kernel[axis] + tie.tap,
                        outer.large * window_.large[axis] + tie.large};
      axis + 1 < axes_.size() ? for_each(visit, axis + 1, both) : visit(both);
    }
  }

 private:
  const Window& window_;
  std::vector<std::vector<Tie>> axes_;
};

// Arguments of a conv or conv_transpose over this window.
std::vector<Argument> conv_arguments(Builder& b, Value x, Value weight, const Window& w,
                                     int64_t groups);

}  // namespace anemone
