#include "anemone/ops/window.h"

#include <algorithm>

namespace anemone {
namespace {

constexpr int64_t kMaxStep = 65536;  // keeps (size - 1) * stride far from overflow

std::vector<Tie> axis_ties(const Window& w, size_t axis) {
  std::vector<Tie> ties;
  for (int64_t tap = 0; tap < w.kernel[axis]; ++tap) {
    for (int64_t small = 0; small < w.small[axis]; ++small) {
      const int64_t large = small * w.strides[axis] + tap * w.dilations[axis] - w.before[axis];
      if (large >= 0 && large < w.large[axis]) ties.push_back({small, tap, large});
    }
  }
  return ties;
}

}  // namespace

Shape read_steps(const OpArgs& args, const char* name, size_t rank, std::string_view rule) {
  const Shape values = args.integers(name, Shape(rank, 1));
  args.require(values.size() == rank, "{}.{}: '{}' has {} numbers for {} spatial axes",
               args.op().type, rule, name, values.size(), rank);
  for (int64_t value : values) {
    args.require(value > 0 && value <= kMaxStep, "{}.{}: {} in '{}' is not from 1 to {}",
                 args.op().type, rule, value, name, kMaxStep);
  }
  return values;
}

PadType read_pad_type(const OpArgs& args) {
  const std::string type = args.text("pad_type", "valid");
  if (type == "valid") return PadType::kValid;
  if (type == "custom") return PadType::kCustom;
  if (type == "same") return PadType::kSame;
  args.require(type == "same_lower",
               "{}.c5: pad_type '{}' is not valid, custom, same or same_lower", args.op().type,
               type);
  return PadType::kSameLower;
}

void read_custom_pad(const OpArgs& args, Window& w) {
  const Shape pad = args.integers("pad", Shape(2 * w.rank(), 0));
  args.require(pad.size() == 2 * w.rank(), "{}.c6: 'pad' has {} numbers for {} spatial axes",
               args.op().type, pad.size(), w.rank());
  for (size_t i = 0; i < pad.size(); ++i) {
    args.require(pad[i] >= 0, "{}.c6: padding {} is negative", args.op().type, pad[i]);
    (i % 2 == 0 ? w.before : w.after)[i / 2] = pad[i];
  }
}

void pad_same(Window& w, size_t axis, int64_t total, PadType type) {
  const int64_t smaller = total / 2, larger = total - smaller;
  w.before[axis] = type == PadType::kSame ? smaller : larger;
  w.after[axis] = total - w.before[axis];
}

void place_small(const OpArgs& args, Window& w, PadType type) {
  for (size_t i = 0; i < w.rank(); ++i) {
    const int64_t size = w.large[i], stride = w.strides[i];
    if (is_same(type)) {
      w.small[i] = (size + stride - 1) / stride;
      pad_same(w, i, std::max<int64_t>(0, w.full(i) - size), type);
    }
    const int64_t room = size + w.before[i] + w.after[i] - w.extent(i);
    args.require(room >= 0, "{}.c7: a kernel that spans {} does not fit in axis {} of {}",
                 args.op().type, w.extent(i), i + 2, size + w.before[i] + w.after[i]);
    w.small[i] = room / stride + 1;
  }
}

Ties::Ties(const Window& window) : window_(window) {
  for (size_t axis = 0; axis < window.rank(); ++axis) axes_.push_back(axis_ties(window, axis));
}

std::vector<Argument> conv_arguments(Builder& b, Value x, Value weight, const Window& w,
                                     int64_t groups) {
  Shape pad;
  for (size_t i = 0; i < w.rank(); ++i) {
    pad.push_back(w.before[i]);
    pad.push_back(w.after[i]);
  }
  return {{"x", x},
          {"weight", weight},
          {"strides", b.integers(w.strides)},
          {"pad_type", b.text("custom")},
          {"pad", b.integers(pad)},
          {"dilations", b.integers(w.dilations)},
          {"groups", b.integer(groups)}};
}

}  // namespace anemone
