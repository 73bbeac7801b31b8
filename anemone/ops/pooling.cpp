// Pooling: the maximum, mean or root of squares of windows over one to three spatial axes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "anemone/base/arithmetic.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/window.h"

namespace anemone {
namespace {

constexpr Param kPool[] = {
    param("x", Accepts::kFloat),
    const_param("kernel_sizes", Accepts::kInteger),
    optional_const("strides", Accepts::kInteger),
    const_param("pad_type", Accepts::kString),
    optional_const("pad", Accepts::kInteger),
    optional_const("ceil_mode", Accepts::kBool),
};
constexpr Param kAveragePool[] = {
    param("x", Accepts::kFloat),
    const_param("kernel_sizes", Accepts::kInteger),
    optional_const("strides", Accepts::kInteger),
    const_param("pad_type", Accepts::kString),
    optional_const("pad", Accepts::kInteger),
    optional_const("exclude_padding_from_average", Accepts::kBool),
    optional_const("ceil_mode", Accepts::kBool),
};

// The output ends with a window that may reach past the padding, but starts before it.
void round_up(const OpArgs& args, Window& w, PadType type) {
  args.require(w.rank() <= 2 && !is_same(type) && w.before == w.after,
               "{}.c3: ceil_mode takes one or two spatial axes, valid padding or custom padding "
               "that is the same on both sides",
               args.op().type);
  for (size_t i = 0; i < w.rank(); ++i) {
    const int64_t stride = w.strides[i], pad = w.before[i];
    const int64_t room = w.large[i] + 2 * pad - w.kernel[i];
    w.small[i] = (room + stride - 1) / stride + 1;
    if (pad > 0 && (w.small[i] - 1) * stride >= w.large[i] + pad) --w.small[i];
  }
}

// The input is the large image. Afterwards `after` is what the windows really reach.
Window window_of(const OpArgs& args) {
  const Shape& x = args.shape("x");
  const std::string& op = args.op().type;
  args.require(x.size() >= 3 && x.size() <= 5, "{}.c1: x {} is not [N, C, 1 to 3 spatial sizes]",
               op, to_string(x));
  const size_t rank = x.size() - 2;
  Window w;
  w.large = w.small = Shape(x.begin() + 2, x.end());
  w.kernel = read_steps(args, "kernel_sizes", rank, "c2");
  w.strides = read_steps(args, "strides", rank, "c4");
  w.dilations = Shape(rank, 1);
  w.before = w.after = Shape(rank, 0);
  const PadType type = read_pad_type(args);
  if (type == PadType::kCustom) read_custom_pad(args, w);
  place_small(args, w, type);
  if (args.boolean("ceil_mode", false)) round_up(args, w, type);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t last_begin = (w.small[i] - 1) * w.strides[i] - w.before[i];
    args.require(w.before[i] < w.kernel[i] && last_begin < w.large[i],
                 "{}.c8: on axis {} a window of {} sees padding only", op, i + 2, w.kernel[i]);
    w.after[i] = std::max<int64_t>(0, w.full(i) - w.before[i] - w.large[i]);
  }
  return w;
}

Shape with_spatial(int64_t n, int64_t c, const Shape& spatial) {
  Shape shape = {n, c};
  shape.insert(shape.end(), spatial.begin(), spatial.end());
  return shape;
}

std::vector<Type> infer(const OpArgs& args) {
  const Window w = window_of(args);
  args.boolean("exclude_padding_from_average", false);
  const Type& x = args.type("x");
  return {Type::tensor(x.dtype, with_spatial(x.shape[0], x.shape[1], w.small))};
}

// What avg_pool divides by at every position of a small plane.
std::vector<double> divisors(const OpArgs& args, const Window& w) {
  std::vector<double> counts(static_cast<size_t>(element_count(w.small)), 0.0);
  if (args.boolean("exclude_padding_from_average", false)) {
    Ties(w).for_each([&](const Tie& t) { counts[t.small] += 1; });
  } else {
    std::fill(counts.begin(), counts.end(), static_cast<double>(element_count(w.kernel)));
  }
  return counts;
}

// out = finish(fold of the window's elements from `start`, position in its plane), in fp64.
template <typename Fold, typename Finish>
void pool(const EvalArgs& args, const Window& w, double start, Fold&& fold, Finish&& finish) {
  const Ties ties(w);
  const int64_t planes = args.shape("x")[0] * args.shape("x")[1];
  const int64_t plane_size = element_count(w.large);
  std::vector<double> folded(static_cast<size_t>(element_count(w.small)));
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = args.in("x").as<T>().data();
    T* out = args.out().as<T>().data();
    for (int64_t plane = 0; plane < planes; ++plane, x += plane_size) {
      std::fill(folded.begin(), folded.end(), start);
      ties.for_each([&](const Tie& t) {
        folded[t.small] = fold(folded[t.small], static_cast<double>(x[t.large]));
      });
      for (size_t i = 0; i < folded.size(); ++i) *out++ = static_cast<T>(finish(folded[i], i));
    }
  });
}

void eval_max(const EvalArgs& args) {
  pool(
      args, window_of(args), -std::numeric_limits<double>::infinity(),
      [](double most, double x) { return maximum(most, x); },
      [](double most, size_t) { return most; });
}

void eval_average(const EvalArgs& args) {
  const Window w = window_of(args);
  const std::vector<double> counts = divisors(args, w);
  pool(
      args, w, 0, [](double sum, double x) { return sum + x; },
      [&](double sum, size_t i) { return sum / counts[i]; });
}

void eval_l2(const EvalArgs& args) {
  pool(
      args, window_of(args), 0, [](double sum, double x) { return sum + x * x; },
      [](double sum, size_t) { return std::sqrt(sum); });
}

Value constant(Builder& b, DType dtype, const Shape& shape, const std::vector<double>& numbers) {
  Tensor tensor(dtype, shape);
  for (size_t i = 0; i < numbers.size(); ++i) {
    tensor.view().set(static_cast<int64_t>(i), numbers[i]);
  }
  return b.constant(std::move(tensor));
}

Value spread(Builder& b, Value small, Value weight, const Window& w, int64_t groups,
             const Shape& large) {
  std::vector<Argument> arguments = conv_arguments(b, small, weight, w, groups);
  arguments.emplace_back("output_shape", b.integers(large));
  return b.op("conv_transpose", std::move(arguments));
}

// Every element of x gets the sum of `small` over the windows that see it, times `factor`.
Value spread_evenly(Builder& b, Value small, const Window& w, double factor, const Shape& x) {
  const Shape shape = with_spatial(x[1], 1, w.kernel);
  const auto taps = static_cast<size_t>(element_count(shape));
  const Value weight = constant(b, small->type.dtype, shape, std::vector<double>(taps, factor));
  return spread(b, small, weight, w, x[1], x);
}

Grads grad_average(GradArgs& args) {
  Builder& b = args.builder;
  const Window w = window_of(args);
  const Value x = args.value("x"), g = args.doutput();
  std::vector<double> factors = divisors(args, w);
  for (double& factor : factors) factor = 1 / factor;
  const auto differs = [&](double factor) { return factor != factors[0]; };
  if (std::none_of(factors.begin(), factors.end(), differs)) {
    return {{x, spread_evenly(b, g, w, factors[0], x->type.shape)}};
  }
  const Value scaled = b.mul(g, constant(b, x->type.dtype, with_spatial(1, 1, w.small), factors));
  return {{x, spread_evenly(b, scaled, w, 1, x->type.shape)}};
}

// dx = x * (dy / y over the windows that see it), 0 where y is 0.
Grads grad_l2(GradArgs& args) {
  Builder& b = args.builder;
  const Value x = args.value("x"), y = args.output(), zero = b.full_like(y, 0);
  const Value positive = b.binary("greater", y, zero);
  const Value divisor = b.select(positive, y, b.full_like(y, 1));
  const Value share = b.select(positive, b.real_div(args.doutput(), divisor), zero);
  return {{x, b.mul(x, spread_evenly(b, share, window_of(args), 1, x->type.shape))}};
}

// x [planes, 1, d...] with minus infinity around it, as far as the windows reach.
Value pad_for_max(Builder& b, Value x, const Window& w) {
  std::vector<int64_t> amounts;
  for (size_t i = 0; i < w.rank(); ++i) {
    amounts.push_back(w.before[i]);
    amounts.push_back(w.after[i]);
  }
  if (std::none_of(amounts.begin(), amounts.end(), [](int64_t n) { return n > 0; })) return x;
  return b.op(
      "pad", {{"x", x},
              {"pad", b.integers(amounts)},
              {"mode", b.text("constant")},
              {"constant_val", b.scalar(x->type.dtype, -std::numeric_limits<double>::infinity())}});
}

// What every window has at linear kernel position `tap`: [planes, 1, small...].
Value elements_at(Builder& b, Value padded, const Window& w, int64_t tap) {
  const size_t rank = w.rank();
  std::vector<int64_t> begin(rank + 2, 0), end = padded->type.shape, stride(rank + 2, 1);
  for (size_t i = rank; i-- > 0; tap /= w.kernel[i]) {
    begin[i + 2] = tap % w.kernel[i];
    stride[i + 2] = w.strides[i];
    end[i + 2] = begin[i + 2] + (w.small[i] - 1) * w.strides[i] + 1;
  }
  return b.op("slice_by_index", {{"x", padded},
                                 {"begin", b.integers(begin)},
                                 {"end", b.integers(end)},
                                 {"stride", b.integers(stride)}});
}

// weight[t, 0, k] = 1 where k is tap t: a conv_transpose of T channels puts each at its own tap.
Value one_channel_a_tap(Builder& b, DType dtype, const Window& w) {
  const int64_t taps = element_count(w.kernel);
  std::vector<double> numbers(static_cast<size_t>(taps * taps), 0.0);
  for (int64_t tap = 0; tap < taps; ++tap) numbers[tap * taps + tap] = 1;
  return constant(b, dtype, with_spatial(taps, 1, w.kernel), numbers);
}

// The first maximum of a window, in row-major order, takes its whole gradient, as in PyTorch: tap
// by tap, what has not been taken goes where x equals y.
Grads grad_max(GradArgs& args) {
  Builder& b = args.builder;
  const Window w = window_of(args);
  const Value x = args.value("x");
  const Shape& shape = x->type.shape;
  const int64_t planes = shape[0] * shape[1];
  const Shape small = with_spatial(planes, 1, w.small), large = with_spatial(planes, 1, w.large);
  const Value padded = pad_for_max(b, b.reshape(x, large), w);
  const Value y = b.reshape(args.output(), small);
  const Value zero = b.full_like(y, 0);
  Value left = b.reshape(args.doutput(), small);
  std::vector<Value> taken;
  for (int64_t tap = 0; tap < element_count(w.kernel); ++tap) {
    const Value is_most = b.binary("equal", elements_at(b, padded, w, tap), y);
    taken.push_back(b.select(is_most, left, zero));
    left = b.select(is_most, zero, left);
  }
  const Value weight = one_channel_a_tap(b, x->type.dtype, w);
  return {{x, b.reshape(spread(b, b.concat(taken, 1), weight, w, 1, large), shape)}};
}

// One for every element of every window.
double flops(const OpArgs& args) {
  const Window w = window_of(args);
  return static_cast<double>(args.shape("x")[0] * args.shape("x")[1] * element_count(w.small)) *
         static_cast<double>(element_count(w.kernel));
}

// A square and a sum.
double flops_l2(const OpArgs& args) { return 2 * flops(args); }

const OpDef kOps[] = {
    {.name = "max_pool",
     .params = kPool,
     .infer = infer,
     .eval = eval_max,
     .grad = grad_max,
     .flops = flops,
     .traits = Trait::kPool | Trait::kExact},
    {.name = "avg_pool",
     .params = kAveragePool,
     .infer = infer,
     .eval = eval_average,
     .grad = grad_average,
     .flops = flops,
     .traits = Trait::kPool},
    {.name = "l2_pool",
     .params = kPool,
     .infer = infer,
     .eval = eval_l2,
     .grad = grad_l2,
     .flops = flops_l2,
     .traits = Trait::kPool},
};

}  // namespace

std::span<const OpDef> pooling_ops() { return kOps; }

}  // namespace anemone
