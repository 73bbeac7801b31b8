#include "anemone/devices/cpu/kernels/window_shape.h"

#include <algorithm>

#include "anemone/ops/query.h"
#include "anemone/ops/window.h"

namespace anemone {
namespace {

Spatial in_three_axes(const Shape& shape, int64_t missing) {
  Spatial result = {missing, missing, missing};
  std::copy(shape.begin(), shape.end(), result.end() - static_cast<int64_t>(shape.size()));
  return result;
}

Shape spatial(const Shape& shape) { return {shape.begin() + 2, shape.end()}; }

// Padding of a window whose sizes and steps are known.
void place(const OpArgs& args, Window& w) {
  w.before = w.after = Shape(w.rank(), 0);
  const PadType type = read_pad_type(args);
  if (type == PadType::kCustom) read_custom_pad(args, w);
  for (size_t i = 0; i < w.rank() && is_same(type); ++i) {
    pad_same(w, i, std::max<int64_t>(0, w.full(i) - w.large[i]), type);
  }
}

ConvShape with_channels(const Window& w, int64_t batch, int64_t groups, int64_t large,
                        int64_t small) {
  return {.batch = batch,
          .groups = groups,
          .large_channels = large,
          .small_channels = small,
          .large = in_three_axes(w.large, 1),
          .small = in_three_axes(w.small, 1),
          .kernel = in_three_axes(w.kernel, 1),
          .strides = in_three_axes(w.strides, 1),
          .dilations = in_three_axes(w.dilations, 1),
          .before = in_three_axes(w.before, 0)};
}

}  // namespace

ConvShape window_of_conv(const OpArgs& args) {
  const Shape &x = args.shape("x"), &y = args.op().outputs[0]->type.shape;
  const bool transposed = is_conv_transpose(args.op());
  const Shape &large = transposed ? y : x, &small = transposed ? x : y;
  Window w;
  w.large = spatial(large);
  w.small = spatial(small);
  w.kernel = spatial(args.shape("weight"));
  w.strides = read_steps(args, "strides", w.rank(), "c4");
  w.dilations = read_steps(args, "dilations", w.rank(), "c4");
  place(args, w);
  return with_channels(w, x[0], args.integer("groups", 1), large[1], small[1]);
}

ConvShape window_of_pool(const OpArgs& args) {
  const Shape& x = args.shape("x");
  Window w;
  w.large = spatial(x);
  w.small = spatial(args.op().outputs[0]->type.shape);
  w.kernel = read_steps(args, "kernel_sizes", x.size() - 2, "c2");
  w.strides = read_steps(args, "strides", x.size() - 2, "c4");
  w.dilations = Shape(x.size() - 2, 1);
  place(args, w);
  return with_channels(w, x[0], x[1], x[1], x[1]);
}

}  // namespace anemone
