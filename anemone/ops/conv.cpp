// Convolution and its transpose over one to three spatial axes.
#include <algorithm>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kConv[] = {
    param("x", Accepts::kFloat),
    param("weight", Accepts::kFloat),
    optional_param("bias", Accepts::kFloat),
    optional_const("strides", Accepts::kInteger),
    optional_const("pad_type", Accepts::kString),
    optional_const("pad", Accepts::kInteger),
    optional_const("dilations", Accepts::kInteger),
    optional_const("groups", Accepts::kInteger),
};
constexpr Param kConvTranspose[] = {
    param("x", Accepts::kFloat),
    param("weight", Accepts::kFloat),
    optional_param("bias", Accepts::kFloat),
    optional_const("strides", Accepts::kInteger),
    optional_const("pad_type", Accepts::kString),
    optional_const("pad", Accepts::kInteger),
    optional_const("dilations", Accepts::kInteger),
    optional_const("groups", Accepts::kInteger),
    optional_const("output_shape", Accepts::kInteger),
};

constexpr int64_t kMaxStep = 65536;  // keeps (size - 1) * stride far from overflow

// What both operations are about: positions of a small image (conv's output, conv_transpose's
// input) tied to positions of a large one, large = small * stride + tap * dilation - before.
// The weight is [small channels, large channels / groups, kernel...] for both.
struct Window {
  Shape large, small, kernel;  // spatial sizes
  Shape strides, dilations, before, after;
  int64_t groups = 1;
  int64_t batch = 1, small_channels = 0, large_channels = 0;

  size_t rank() const { return kernel.size(); }
  // Length of the kernel on an axis with its holes.
  int64_t extent(size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
  // Size of the large image that a whole small one reaches, before cropping.
  int64_t full(size_t axis) const { return (small[axis] - 1) * strides[axis] + extent(axis); }
};

bool is_transpose(const OpArgs& args) { return args.op().type == "conv_transpose"; }

Shape steps(const OpArgs& args, const char* name, size_t rank) {
  const Shape values = args.integers(name, Shape(rank, 1));
  args.require(values.size() == rank, "{}.c4: '{}' has {} numbers for {} spatial axes",
               args.op().type, name, values.size(), rank);
  for (int64_t value : values) {
    args.require(value > 0 && value <= kMaxStep, "{}.c4: {} in '{}' is not from 1 to {}",
                 args.op().type, value, name, kMaxStep);
  }
  return values;
}

enum class PadType { kValid, kCustom, kSame, kSameLower };

PadType pad_type(const OpArgs& args) {
  const std::string type = args.text("pad_type", "valid");
  if (type == "valid") return PadType::kValid;
  if (type == "custom") return PadType::kCustom;
  if (type == "same") return PadType::kSame;
  args.require(type == "same_lower",
               "{}.c5: pad_type '{}' is not valid, custom, same or same_lower", args.op().type,
               type);
  return PadType::kSameLower;
}

// Shares `total` between both ends.
void pad_same(Window& w, size_t axis, int64_t total, PadType type) {
  const int64_t smaller = total / 2, larger = total - smaller;
  w.before[axis] = type == PadType::kSame ? smaller : larger;
  w.after[axis] = total - w.before[axis];
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

// conv: the small image from the large one.
void place_small(const OpArgs& args, Window& w, PadType type) {
  for (size_t i = 0; i < w.rank(); ++i) {
    const int64_t size = w.large[i], stride = w.strides[i];
    if (type == PadType::kSame || type == PadType::kSameLower) {
      w.small[i] = (size + stride - 1) / stride;
      pad_same(w, i, std::max<int64_t>(0, w.full(i) - size), type);
    }
    const int64_t room = size + w.before[i] + w.after[i] - w.extent(i);
    args.require(room >= 0, "conv.c7: a kernel that spans {} does not fit in axis {} of {}",
                 w.extent(i), i + 2, size + w.before[i] + w.after[i]);
    w.small[i] = room / stride + 1;
  }
}

// conv_transpose: the large image from the small one. Afterwards `after` is what a conv that leads
// back needs.
void place_large(const OpArgs& args, Window& w, PadType type) {
  const Shape wanted = args.integers("output_shape", Shape{});
  const bool given = args.has("output_shape");
  args.require(
      !given ||
          (wanted.size() == w.rank() + 2 && wanted[0] == w.batch && wanted[1] == w.large_channels),
      "conv_transpose.c8: output_shape {} does not start with {} and {} or has not {} sizes",
      to_string(wanted), w.batch, w.large_channels, w.rank() + 2);
  for (size_t i = 0; i < w.rank(); ++i) {
    const bool same = type == PadType::kSame || type == PadType::kSameLower;
    w.large[i] = given  ? wanted[i + 2]
                 : same ? w.small[i] * w.strides[i]
                        : w.full(i) - w.before[i] - w.after[i];
    if (same) pad_same(w, i, std::max<int64_t>(0, w.full(i) - w.large[i]), type);
    const int64_t most = w.full(i) - w.before[i] + w.strides[i] - 1;
    args.require(w.large[i] > 0 && w.large[i] <= most,
                 "conv_transpose.c7: size {} of axis {} is not from 1 to {}", w.large[i], i + 2,
                 most);
    w.after[i] = std::max<int64_t>(0, w.full(i) - w.before[i] - w.large[i]);
  }
}

void read_channels(const OpArgs& args, Window& w) {
  const Shape &x = args.shape("x"), &weight = args.shape("weight");
  const std::string& op = args.op().type;
  w.groups = args.integer("groups", 1);
  args.require(w.groups > 0 && weight[0] % w.groups == 0 && x[1] % w.groups == 0,
               "{}.c3: {} groups do not divide {} channels of x and {} of the weight", op, w.groups,
               x[1], weight[0]);
  w.batch = x[0];
  w.small_channels = weight[0];
  w.large_channels = weight[1] * w.groups;
  const int64_t needed = is_transpose(args) ? w.small_channels : w.large_channels;
  args.require(x[1] == needed, "{}.c3: x has {} channels, the weight {} with {} groups takes {}",
               op, x[1], to_string(weight), w.groups, needed);
}

Window window_of(const OpArgs& args) {
  const Shape &x = args.shape("x"), &weight = args.shape("weight");
  const std::string& op = args.op().type;
  args.require(x.size() >= 3 && x.size() <= 5, "{}.c1: x {} is not [N, C, 1 to 3 spatial sizes]",
               op, to_string(x));
  args.require(weight.size() == x.size(), "{}.c2: weight {} and x {} differ in rank", op,
               to_string(weight), to_string(x));
  const size_t rank = x.size() - 2;
  Window w;
  w.kernel.assign(weight.begin() + 2, weight.end());
  w.strides = steps(args, "strides", rank);
  w.dilations = steps(args, "dilations", rank);
  w.before = w.after = Shape(rank, 0);
  read_channels(args, w);
  const PadType type = pad_type(args);
  if (type == PadType::kCustom) read_custom_pad(args, w);
  const Shape spatial(x.begin() + 2, x.end());
  w.large = w.small = spatial;
  is_transpose(args) ? place_large(args, w, type) : place_small(args, w, type);
  return w;
}

std::vector<Type> infer(const OpArgs& args) {
  const std::string& op = args.op().type;
  const Window w = window_of(args);
  const DType dtype = args.type("x").dtype;
  args.require(args.type("weight").dtype == dtype, "{}.c9: x is {} and the weight {}", op,
               name(dtype), name(args.type("weight").dtype));
  Shape shape = {w.batch, is_transpose(args) ? w.large_channels : w.small_channels};
  const Shape& spatial = is_transpose(args) ? w.large : w.small;
  shape.insert(shape.end(), spatial.begin(), spatial.end());
  args.require(!args.has("bias") || args.type("bias") == Type::tensor(dtype, {shape[1]}),
               "{}.c10: bias is not {}", op, to_string(Type::tensor(dtype, {shape[1]})));
  return {Type::tensor(dtype, shape)};
}

// Positions tied to one another, on one axis or as linear indices.
struct Tie {
  int64_t small, tap, large;
};

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

// All ties of a window, combined axis by axis while they are visited.
class Ties {
 public:
  explicit Ties(const Window& window) : window_(window) {
    for (size_t axis = 0; axis < window.rank(); ++axis) axes_.push_back(axis_ties(window, axis));
  }

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

// One plane of the output for input plane `from`: sum over the ties, into `to_small` or large.
template <typename T>
void add_plane(const Ties& ties, const T* from, const T* taps, bool to_small, double* sums) {
  if (to_small) {
    ties.for_each([&](const Tie& t) {
      sums[t.small] += static_cast<double>(from[t.large]) * static_cast<double>(taps[t.tap]);
    });
  } else {
    ties.for_each([&](const Tie& t) {
      sums[t.large] += static_cast<double>(from[t.small]) * static_cast<double>(taps[t.tap]);
    });
  }
}

template <typename T>
void convolve(const EvalArgs& args, const Window& w, bool to_small) {
  const Ties ties(w);
  const T *x = args.in("x").as<T>().data(), *weight = args.in("weight").as<T>().data();
  T* out = args.out().as<T>().data();
  const int64_t taps = element_count(w.kernel);
  const int64_t large_in_group = w.large_channels / w.groups;
  const int64_t small_in_group = w.small_channels / w.groups;
  const int64_t outputs = to_small ? w.small_channels : w.large_channels;
  const int64_t inputs_in_group = to_small ? large_in_group : small_in_group;
  const int64_t outputs_in_group = to_small ? small_in_group : large_in_group;
  const int64_t in_size = element_count(to_small ? w.large : w.small);
  std::vector<double> sums(static_cast<size_t>(element_count(to_small ? w.small : w.large)));
  for (int64_t plane = 0; plane < w.batch * outputs; ++plane) {
    const int64_t n = plane / outputs, o = plane % outputs, group = o / outputs_in_group;
    std::fill(sums.begin(), sums.end(),
              args.has("bias") ? static_cast<double>(args.in("bias").as<T>()[o]) : 0.0);
    for (int64_t i = 0; i < inputs_in_group; ++i) {
      const int64_t channel = group * inputs_in_group + i;
      const int64_t row =
          to_small ? o * large_in_group + i : channel * large_in_group + o % large_in_group;
      add_plane(ties, x + (n * inputs_in_group * w.groups + channel) * in_size, weight + row * taps,
                to_small, sums.data());
    }
    for (double sum : sums) *out++ = static_cast<T>(sum);
  }
}

void eval(const EvalArgs& args) {
  const Window w = window_of(args);
  with_float(args.out().dtype,
             [&](auto type) { convolve<decltype(type)>(args, w, !is_transpose(args)); });
}

std::vector<Argument> arguments(Builder& b, Value x, Value weight, const Window& w) {
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
          {"groups", b.integer(w.groups)}};
}

bool is_pointwise(const Window& w) {
  const auto all = [](const Shape& shape, int64_t value) {
    return std::all_of(shape.begin(), shape.end(), [=](int64_t n) { return n == value; });
  };
  return all(w.kernel, 1) && all(w.strides, 1) && all(w.before, 0) && all(w.after, 0) &&
         w.groups == 1 && w.small == w.large;
}

// One matrix product per image: [O, S] times [C, S] transposed.
Value pointwise_weight_gradient(Builder& b, Value large, Value small, const Window& w,
                                const Shape& weight) {
  const int64_t size = element_count(w.small);
  const auto matrices = [&](Value image, int64_t channels) {
    return b.reshape(image, w.batch == 1 ? Shape{channels, size} : Shape{w.batch, channels, size});
  };
  Value product =
      b.matmul(matrices(small, w.small_channels), matrices(large, w.large_channels), false, true);
  if (w.batch > 1) product = b.reduce_sum(product, {0}, false);
  return b.reshape(product, weight);
}

// [N, groups * C, ..] as [C, groups * N, ..].
Value images_to_channels(Builder& b, Value image, int64_t groups) {
  const Shape shape = image->type.shape;
  Shape grouped = {shape[0], groups, shape[1] / groups}, result = {grouped[2], groups * shape[0]};
  std::vector<int64_t> perm = {2, 1, 0};
  for (size_t i = 2; i < shape.size(); ++i) {
    grouped.push_back(shape[i]);
    result.push_back(shape[i]);
    perm.push_back(static_cast<int64_t>(i) + 1);
  }
  return b.reshape(b.transpose(b.reshape(image, grouped), perm), result);
}

// Swaps the first two axes.
Value swap_channels(Builder& b, Value value) {
  std::vector<int64_t> perm = {1, 0};
  for (size_t i = 2; i < value->type.rank(); ++i) perm.push_back(static_cast<int64_t>(i));
  return b.transpose(value, perm);
}

// dweight[o, c, k] = sum over images and small positions of small[o] * large[c]: again a
// convolution, of `large` with the images as channels and with `small` as the kernel; strides and
// dilations change places.
Value weight_gradient(Builder& b, Value large, Value small, const Window& w, const Shape& weight) {
  if (is_pointwise(w)) return pointwise_weight_gradient(b, large, small, w, weight);
  Window swapped = w;
  std::swap(swapped.strides, swapped.dilations);
  const Value wide = b.op("conv", arguments(b, images_to_channels(b, large, w.groups),
                                            swap_channels(b, small), swapped));
  Shape kept = {weight[1], weight[0]};
  kept.insert(kept.end(), w.kernel.begin(), w.kernel.end());
  const Value cut =
      wide->type.shape == kept ? wide : b.slice_by_size(wide, Shape(kept.size(), 0), kept);
  return swap_channels(b, cut);
}

Grads grad(GradArgs& args) {
  Builder& b = args.builder;
  const Window w = window_of(args);
  const Value x = args.value("x"), weight = args.value("weight"), g = args.doutput();
  const bool transpose = is_transpose(args);
  Grads grads;
  if (args.wants("x")) {
    std::vector<Argument> back = arguments(b, g, weight, w);
    if (!transpose) back.emplace_back("output_shape", b.integers(x->type.shape));
    grads.emplace_back(x, b.op(transpose ? "conv" : "conv_transpose", std::move(back)));
  }
  if (args.wants("weight")) {
    grads.emplace_back(
        weight, weight_gradient(b, transpose ? g : x, transpose ? x : g, w, weight->type.shape));
  }
  if (args.wants("bias")) {
    std::vector<int64_t> axes = {0};
    for (size_t i = 0; i < w.rank(); ++i) axes.push_back(static_cast<int64_t>(i) + 2);
    grads.emplace_back(args.value("bias"), b.reduce_sum(g, axes, false));
  }
  return grads;
}

double flops(const OpArgs& args) {
  const Window w = window_of(args);
  return 2.0 * static_cast<double>(w.batch * element_count(w.small)) *
         static_cast<double>(element_count(args.shape("weight")));
}

const OpDef kOps[] = {
    {.name = "conv", .params = kConv, .infer = infer, .eval = eval, .grad = grad, .flops = flops},
    {.name = "conv_transpose",
     .params = kConvTranspose,
     .infer = infer,
     .eval = eval,
     .grad = grad,
     .flops = flops},
};

}  // namespace

std::span<const OpDef> conv_ops() { return kOps; }

}  // namespace anemone
