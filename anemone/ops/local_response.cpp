// local_response_norm: channels divided by a sum of squares over channels near them.
#include <algorithm>
#include <cmath>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

constexpr Param kParams[] = {param("x", Accepts::kFloat), const_param("size", Accepts::kInteger),
                             optional_const("alpha", Accepts::kFloat),
                             optional_const("beta", Accepts::kFloat),
                             optional_const("k", Accepts::kFloat)};

struct LocalNorm {
  int64_t size = 1;
  double scale = 0, beta = 0, k = 0;  // scale: alpha / size

  int64_t before() const { return size / 2; }
  int64_t after() const { return size - 1 - before(); }
};

LocalNorm norm_of(const OpArgs& args) {
  const Shape& x = args.shape("x");
  args.require(x.size() == 3 || x.size() == 4,
               "local_response_norm.c1: x {} is not [N, C, one or two spatial sizes]",
               to_string(x));
  const int64_t size = args.integer("size");
  args.require(size >= 1 && size <= 65536, "local_response_norm.c2: size {} is not from 1 to 65536",
               size);
  return {size, args.number("alpha", 1e-4) / static_cast<double>(size), args.number("beta", 0.75),
          args.number("k", 1.0)};
}

std::vector<Type> infer(const OpArgs& args) {
  norm_of(args);
  return {args.type("x")};
}

// One position of all channels, `step` apart.
template <typename T>
void normalize(const T* x, T* out, int64_t channels, int64_t step, const LocalNorm& norm) {
  for (int64_t c = 0; c < channels; ++c) {
    const int64_t first = std::max<int64_t>(0, c - norm.before());
    const int64_t last = std::min(channels - 1, c + norm.after());
    double sum = 0;
    for (int64_t j = first; j <= last; ++j) {
      const auto neighbour = static_cast<double>(x[j * step]);
      sum += neighbour * neighbour;
    }
    out[c * step] = static_cast<T>(static_cast<double>(x[c * step]) /
                                   std::pow(norm.k + norm.scale * sum, norm.beta));
  }
}

void eval(const EvalArgs& args) {
  const LocalNorm norm = norm_of(args);
  const AxisSplit split = split_at(args.in("x").shape, 1);
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = args.in("x").as<T>().data();
    T* out = args.out().as<T>().data();
    for (int64_t i = 0; i < split.outer * split.inner; ++i) {
      const int64_t start = i / split.inner * split.size * split.inner + i % split.inner;
      normalize(x + start, out + start, split.size, split.inner, norm);
    }
  });
}

// Sums over a window of channels: a pooling of the channels as rows of an image.
Value window_sums(Builder& b, Value x, int64_t before, int64_t after) {
  const Shape& shape = x->type.shape;
  const AxisSplit split = split_at(shape, 1);
  const int64_t size = before + 1 + after;
  const Value rows = b.reshape(x, {split.outer, 1, split.size, split.inner});
  const Value means = b.op("avg_pool", {{"x", rows},
                                        {"kernel_sizes", b.integers({size, 1})},
                                        {"strides", b.integers({1, 1})},
                                        {"pad_type", b.text("custom")},
                                        {"pad", b.integers({before, after, 0, 0})}});
  return b.reshape(b.mul(means, static_cast<double>(size)), shape);
}

// dx = dy s^-beta - 2 scale beta x * (sum over the windows that x is in of dy x s^(-beta - 1)),
// s = k + scale * (sum of squares in the window).
Grads grad(GradArgs& args) {
  Builder& b = args.builder;
  const LocalNorm norm = norm_of(args);
  const Value x = args.value("x"), g = args.doutput();
  const Value squares = window_sums(b, b.mul(x, x), norm.before(), norm.after());
  const Value s = b.add(b.mul(squares, norm.scale), norm.k);
  const Value direct = b.mul(g, b.pow(s, -norm.beta));
  const Value shares = b.mul(b.mul(g, x), b.pow(s, -norm.beta - 1));
  const Value sums = window_sums(b, shares, norm.after(), norm.before());
  return {{x, b.sub(direct, b.mul(b.mul(x, sums), 2 * norm.scale * norm.beta))}};
}

double flops(const OpArgs& args) {
  return 2.0 * static_cast<double>(element_count(args.shape("x"))) *
         static_cast<double>(args.integer("size"));
}

const OpDef kOps[] = {{.name = "local_response_norm",
                       .params = kParams,
                       .infer = infer,
                       .eval = eval,
                       .grad = grad,
                       .flops = flops}};

}  // namespace

std::span<const OpDef> local_response_ops() { return kOps; }

}  // namespace anemone
