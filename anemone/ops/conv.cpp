// Convolution and its transpose over one to three spatial axes.
#include <algorithm>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/window.h"

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

// A convolution's window: small is conv's output and conv_transpose's input. The weight is
// [small channels, large channels / groups, kernel...] for both.
struct ConvWindow : Window {
  int64_t groups = 1;
  int64_t batch = 1, small_channels = 0, large_channels = 0;
};

bool is_transpose(const OpArgs& args) { return args.op().type == "conv_transpose"; }

// conv_transpose: the large image from the small one. Afterwards `after` is what a conv that leads
// back needs.
void place_large(const OpArgs& args, ConvWindow& w, PadType type) {
  const Shape wanted = args.integers("output_shape", Shape{});
  const bool given = args.has("output_shape");
  args.require(
      !given ||
          (wanted.size() == w.rank() + 2 && wanted[0] == w.batch && wanted[1] == w.large_channels),
      "conv_transpose.c8: output_shape {} does not start with {} and {} or has not {} sizes",
      to_string(wanted), w.batch, w.large_channels, w.rank() + 2);
  for (size_t i = 0; i < w.rank(); ++i) {
    const bool same = is_same(type);
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

void read_channels(const OpArgs& args, ConvWindow& w) {
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

ConvWindow window_of(const OpArgs& args) {
  const Shape &x = args.shape("x"), &weight = args.shape("weight");
  const std::string& op = args.op().type;
  args.require(x.size() >= 3 && x.size() <= 5, "{}.c1: x {} is not [N, C, 1 to 3 spatial sizes]",
               op, to_string(x));
  args.require(weight.size() == x.size(), "{}.c2: weight {} and x {} differ in rank", op,
               to_string(weight), to_string(x));
  const size_t rank = x.size() - 2;
  ConvWindow w;
  w.kernel.assign(weight.begin() + 2, weight.end());
  w.strides = read_steps(args, "strides", rank, "c4");
  w.dilations = read_steps(args, "dilations", rank, "c4");
  w.before = w.after = Shape(rank, 0);
  read_channels(args, w);
  const PadType type = read_pad_type(args);
  if (type == PadType::kCustom) read_custom_pad(args, w);
  const Shape spatial(x.begin() + 2, x.end());
  w.large = w.small = spatial;
  is_transpose(args) ? place_large(args, w, type) : place_small(args, w, type);
  return w;
}

std::vector<Type> infer(const OpArgs& args) {
  const std::string& op = args.op().type;
  const ConvWindow w = window_of(args);
  const DType dtype = args.type("x").dtype;
  args.require(args.go_together("weight", "x"), "{}.c9: x is {} and the weight {}", op, name(dtype),
               name(args.type("weight").dtype));
  Shape shape = {w.batch, is_transpose(args) ? w.large_channels : w.small_channels};
  const Shape& spatial = is_transpose(args) ? w.large : w.small;
  shape.insert(shape.end(), spatial.begin(), spatial.end());
  const bool bias_fits =
      !args.has("bias") || (args.shape("bias") == Shape{shape[1]} && args.go_together("bias", "x"));
  args.require(bias_fits, "{}.c10: bias is not {}", op, to_string(Type::tensor(dtype, {shape[1]})));
  return {Type::tensor(dtype, shape)};
}

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
void convolve(const EvalArgs& args, const ConvWindow& w, bool to_small) {
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
  const ConvWindow w = window_of(args);
  with_float(args.out().dtype,
             [&](auto type) { convolve<decltype(type)>(args, w, !is_transpose(args)); });
}

bool all_are(const Shape& shape, int64_t value) {
  return std::all_of(shape.begin(), shape.end(), [=](int64_t n) { return n == value; });
}

// Whether each small position is tied to one large one: a 1x1 kernel, without padding or groups.
bool is_one_to_one(const ConvWindow& w) {
  return all_are(w.kernel, 1) && all_are(w.before, 0) && all_are(w.after, 0) && w.groups == 1;
}

// The large positions that a 1x1 kernel meets: every stride-th one.
Value met_positions(Builder& b, Value large, const ConvWindow& w) {
  if (all_are(w.strides, 1)) return large;
  const Shape& shape = large->type.shape;
  std::vector<int64_t> steps(2, 1);
  steps.insert(steps.end(), w.strides.begin(), w.strides.end());
  return b.op("slice_by_index", {{"x", large},
                                 {"begin", b.integers(Shape(shape.size(), 0))},
                                 {"end", b.integers(shape)},
                                 {"stride", b.integers(steps)}});
}

// One matrix product per image: [O, S] times [C, S] transposed.
Value pointwise_weight_gradient(Builder& b, Value large, Value small, const ConvWindow& w,
                                const Shape& weight) {
  large = met_positions(b, large, w);
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

// Drops what lies behind the last position that a kernel meets, so that the gradient of the weight
// is as large as the weight. What is left of the padding goes into `w`.
Value without_rest(Builder& b, Value large, ConvWindow& w) {
  Shape kept = large->type.shape;
  for (size_t axis = 0; axis < w.rank(); ++axis) {
    const int64_t rest = w.before[axis] + w.large[axis] + w.after[axis] - w.full(axis);
    const int64_t cut = std::max<int64_t>(rest - w.after[axis], 0);
    w.after[axis] = std::max<int64_t>(w.after[axis] - rest, 0);
    w.large[axis] = kept[axis + 2] -= cut;
  }
  return kept == large->type.shape ? large : b.slice_by_size(large, Shape(kept.size(), 0), kept);
}

// dweight[o, c, k] = sum over images and small positions of small[o] * large[c]: again a
// convolution, of `large` with the images as channels and with `small` as the kernel; strides and
// dilations change places.
Value weight_gradient(Builder& b, Value large, Value small, const ConvWindow& w,
                      const Shape& weight) {
  if (is_one_to_one(w)) return pointwise_weight_gradient(b, large, small, w, weight);
  ConvWindow swapped = w;
  large = without_rest(b, large, swapped);
  std::swap(swapped.strides, swapped.dilations);
  const Value wide = b.op("conv", conv_arguments(b, images_to_channels(b, large, w.groups),
                                                 swap_channels(b, small), swapped, w.groups));
  return swap_channels(b, wide);
}

Grads grad(GradArgs& args) {
  Builder& b = args.builder;
  const ConvWindow w = window_of(args);
  const Value x = args.value("x"), g = args.doutput();
  const Value weight = b.in_type(args.value("weight"), g->type.dtype);
  const bool transpose = is_transpose(args);
  Grads grads;
  if (args.wants("x")) {
    std::vector<Argument> back = conv_arguments(b, g, weight, w, w.groups);
    if (!transpose) back.emplace_back("output_shape", b.integers(x->type.shape));
    grads.emplace_back(x, b.op(transpose ? "conv" : "conv_transpose", std::move(back)));
  }
  if (args.wants("weight")) {
    const Value gradient =
        weight_gradient(b, transpose ? g : x, transpose ? x : g, w, weight->type.shape);
    grads.emplace_back(args.value("weight"), b.in_type(gradient, args.type("weight").dtype));
  }
  if (args.wants("bias")) {
    std::vector<int64_t> axes = {0};
    for (size_t i = 0; i < w.rank(); ++i) axes.push_back(static_cast<int64_t>(i) + 2);
    grads.emplace_back(args.value("bias"),
                       b.in_type(b.reduce_sum(g, axes, false), args.type("bias").dtype));
  }
  return grads;
}

double flops(const OpArgs& args) {
  const ConvWindow w = window_of(args);
  return 2.0 * static_cast<double>(w.batch * element_count(w.small)) *
         static_cast<double>(element_count(args.shape("weight")));
}

const OpDef kOps[] = {
    {.name = "conv",
     .params = kConv,
     .infer = infer,
     .eval = eval,
     .grad = grad,
     .flops = flops,
     .traits = Trait::kProduct | Trait::kConvolution},
    {.name = "conv_transpose",
     .params = kConvTranspose,
     .infer = infer,
     .eval = eval,
     .grad = grad,
     .flops = flops,
     .traits = Trait::kProduct | Trait::kConvolution},
};

}  // namespace

std::span<const OpDef> conv_ops() { return kOps; }

}  // namespace anemone
