// anemone.causal_attention and its backward operation.
// Softmax over the keys up to the query's own position, or over the last `window` of them; scores
// are multiplied by `scale`, 1/sqrt(head size) where it is not given.
#include <algorithm>
#include <cmath>

#include "anemone/ops/composites.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kForward[] = {param("q", Accepts::kFloat),
                              param("k", Accepts::kFloat),
                              param("v", Accepts::kFloat),
                              const_param("head_size", Accepts::kInteger),
                              const_param("sequence", Accepts::kInteger),
                              optional_const("window", Accepts::kInteger),
                              optional_const("scale", Accepts::kFloat)};
constexpr Param kBackward[] = {param("q", Accepts::kFloat),
                               param("k", Accepts::kFloat),
                               param("v", Accepts::kFloat),
                               param("dy", Accepts::kFloat),
                               const_param("head_size", Accepts::kInteger),
                               const_param("sequence", Accepts::kInteger),
                               optional_const("window", Accepts::kInteger),
                               optional_const("scale", Accepts::kFloat)};

void check_heads(const OpArgs& args, const AttentionShape& shape) {
  const Shape &q = args.shape("q"), &k = args.shape("k");
  args.require(shape.head_size > 0 && q[1] % shape.head_size == 0 && k[1] % shape.head_size == 0,
               "{}.c2: channels {} and {} are not multiples of head size {}", args.op().type, q[1],
               k[1], shape.head_size);
  args.require(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0,
               "{}.c3: {} heads cannot share {} key/value heads", args.op().type, shape.heads,
               shape.kv_heads);
  args.require(shape.window >= 0, "{}.c6: a window of {} tokens is negative", args.op().type,
               shape.window);
}

std::vector<Type> infer_forward(const OpArgs& args) {
  attention_shape(args);
  return {args.type("q")};
}

std::vector<Type> infer_backward(const OpArgs& args) {
  attention_shape(args);
  args.require(args.type("dy") == args.type("q"), "{}.c5: dy is {}, q is {}", args.op().type,
               to_string(args.type("dy")), to_string(args.type("q")));
  return {args.type("q"), args.type("k"), args.type("v")};
}

// One head of one sequence inside [1, C, 1, S]: element (channel c, time t).
template <typename T>
struct Head {
  T* first;
  int64_t stride;
  T& operator()(int64_t c, int64_t t) const { return first[c * stride + t]; }
};

template <typename T>
Head<T> head_of(const TensorView& view, const AttentionShape& a, int64_t b, int64_t head) {
  return {view.as<T>().data() + head * a.head_size * a.width() + b * a.sequence, a.width()};
}

// probabilities[j] = softmax over the keys j that i sees of scale * q_i · k_j; 0 before them.
template <typename T>
void attend(const Head<T>& q, const Head<T>& k, const AttentionShape& a, int64_t i,
            std::vector<double>& probabilities) {
  const int64_t first = a.first_key(i);
  double maximum = -INFINITY, sum = 0;
  std::fill_n(probabilities.begin(), first, 0.0);
  for (int64_t j = first; j <= i; ++j) {
    double score = 0;
    for (int64_t c = 0; c < a.head_size; ++c) score += static_cast<double>(q(c, i)) * k(c, j);
    probabilities[static_cast<size_t>(j)] = score * a.scale;
    maximum = std::max(maximum, score * a.scale);
  }
  for (int64_t j = first; j <= i; ++j) {
    double& p = probabilities[static_cast<size_t>(j)];
    sum += p = std::exp(p - maximum);
  }
  for (int64_t j = first; j <= i; ++j) probabilities[static_cast<size_t>(j)] /= sum;
}

// Calls visit(sequence b, query head, key head).
template <typename Visit>
void for_each_head(const AttentionShape& a, Visit&& visit) {
  for (int64_t b = 0; b < a.batch; ++b) {
    for (int64_t h = 0; h < a.heads; ++h) visit(b, h, h / a.group());
  }
}

void eval_forward(const EvalArgs& args) {
  const AttentionShape a = attention_shape(args);
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    std::vector<double> p(static_cast<size_t>(a.sequence));
    for_each_head(a, [&](int64_t b, int64_t h, int64_t kv) {
      const auto q = head_of<T>(args.in("q"), a, b, h), k = head_of<T>(args.in("k"), a, b, kv);
      const auto v = head_of<T>(args.in("v"), a, b, kv), out = head_of<T>(args.out(), a, b, h);
      for (int64_t i = 0; i < a.sequence; ++i) {
        attend(q, k, a, i, p);
        for (int64_t c = 0; c < a.head_size; ++c) {
          double sum = 0;
          for (int64_t j = a.first_key(i); j <= i; ++j) sum += p[static_cast<size_t>(j)] * v(c, j);
          out(c, i) = static_cast<T>(sum);
        }
      }
    });
  });
}

// dS = P * (dP - sum(dP * P)) * scale with dP = dy · v; sums in double over query heads of a group.
template <typename T>
void head_backward(const EvalArgs& args, const AttentionShape& a, int64_t b, int64_t h, int64_t kv,
                   std::vector<double>& dk, std::vector<double>& dv) {
  const auto q = head_of<T>(args.in("q"), a, b, h), k = head_of<T>(args.in("k"), a, b, kv);
  const auto v = head_of<T>(args.in("v"), a, b, kv), dy = head_of<T>(args.in("dy"), a, b, h);
  const auto dq = head_of<T>(args.out(0), a, b, h);
  const auto at = [&](int64_t c, int64_t j) {
    return static_cast<size_t>((kv * a.head_size + c) * a.width() + b * a.sequence + j);
  };
  std::vector<double> p(static_cast<size_t>(a.sequence)), dp(p.size());
  for (int64_t i = 0; i < a.sequence; ++i) {
    attend(q, k, a, i, p);
    double dot = 0;
    for (int64_t j = a.first_key(i); j <= i; ++j) {
      double sum = 0;
      for (int64_t c = 0; c < a.head_size; ++c) {
        sum += static_cast<double>(dy(c, i)) * v(c, j);
        dv[at(c, j)] += p[static_cast<size_t>(j)] * dy(c, i);
      }
      dp[static_cast<size_t>(j)] = sum;
      dot += sum * p[static_cast<size_t>(j)];
    }
    for (int64_t c = 0; c < a.head_size; ++c) {
      double sum = 0;
      for (int64_t j = a.first_key(i); j <= i; ++j) {
        const auto at_j = static_cast<size_t>(j);
        const double ds = p[at_j] * (dp[at_j] - dot) * a.scale;
        sum += ds * k(c, j);
        dk[at(c, j)] += ds * q(c, i);
      }
      dq(c, i) = static_cast<T>(sum);
    }
  }
}

void eval_backward(const EvalArgs& args) {
  const AttentionShape a = attention_shape(args);
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    std::vector<double> dk(args.out(1).as<T>().size(), 0), dv(dk.size(), 0);
    for_each_head(
        a, [&](int64_t b, int64_t h, int64_t kv) { head_backward<T>(args, a, b, h, kv, dk, dv); });
    std::copy(dk.begin(), dk.end(), args.out(1).as<T>().begin());
    std::copy(dv.begin(), dv.end(), args.out(2).as<T>().begin());
  });
}

Grads grad_forward(GradArgs& args) {
  const Value q = args.value("q"), k = args.value("k"), v = args.value("v");
  std::vector<Argument> arguments = {{"q", q},
                                     {"k", k},
                                     {"v", v},
                                     {"dy", args.doutput()},
                                     {"head_size", args.builder.integer(args.integer("head_size"))},
                                     {"sequence", args.builder.integer(args.integer("sequence"))}};
  for (const char* name : {"window", "scale"}) {
    if (args.has(name)) arguments.emplace_back(name, args.operand(name));
  }
  const std::vector<Value> gradients =
      args.builder.ops("anemone.causal_attention_backward", std::move(arguments));
  return {{q, gradients[0]}, {k, gradients[1]}, {v, gradients[2]}};
}

// [1, heads*K, 1, B*T] → [B*KV, heads/KV, T, K]: heads that share keys side by side, so that matmul
// broadcasts the keys to them.
Value to_heads(Builder& b, Value x, const AttentionShape& a, int64_t heads) {
  const Value split = b.reshape(x, {heads, a.head_size, a.batch, a.sequence});
  return b.reshape(b.transpose(split, {2, 0, 3, 1}),
                   {a.batch * a.kv_heads, heads / a.kv_heads, a.sequence, a.head_size});
}

Value from_heads(Builder& b, Value x, const AttentionShape& a, int64_t heads) {
  const Value split = b.reshape(x, {a.batch, heads, a.sequence, a.head_size});
  return b.reshape(b.transpose(split, {1, 3, 0, 2}), {1, heads * a.head_size, 1, a.width()});
}

// [B*KV, H/KV, T, T]
Value build_probabilities(Builder& b, Value q, Value k, const AttentionShape& a) {
  const DType dtype = q->type.dtype;
  // Large enough to vanish after exp, small enough not to overflow fp16 together with a score.
  const double masked = dtype == DType::kFp16 ? -1e4 : -1e30;
  Tensor mask(dtype, {1, 1, a.sequence, a.sequence});
  for (int64_t i = 0; i < a.sequence; ++i) {
    for (int64_t j = 0; j < a.sequence; ++j) {
      if (j < a.first_key(i) || j > i) mask.view().set(i * a.sequence + j, masked);
    }
  }
  const Value scores = b.mul(b.matmul(q, k, false, true), a.scale);
  return b.softmax(b.add(scores, b.constant(std::move(mask), "causal_mask")), -1);
}

// The Neural Engine rounds the products of a matmul to an absolute grid (ane.c72),
// and probabilities are about 1/T: what they are multiplied with is scaled up by this in fp16, and
// the result down again.
double grid_scale(DType dtype, const AttentionShape& a) {
  if (dtype != DType::kFp16) return 1;
  return std::exp2(std::round(std::log2(static_cast<double>(a.sequence)) / 2));
}

Value scaled(Builder& b, Value x, double factor) { return factor == 1 ? x : b.mul(x, factor); }

std::vector<Value> decompose_forward(Builder& b, const OpArgs& args) {
  const AttentionShape a = attention_shape(args);
  const double grid = grid_scale(args.type("q").dtype, a);
  const Value q = to_heads(b, args.value("q"), a, a.heads);
  const Value k = to_heads(b, args.value("k"), a, a.kv_heads);
  const Value v = to_heads(b, scaled(b, args.value("v"), grid), a, a.kv_heads);
  const Value mixed = from_heads(b, b.matmul(build_probabilities(b, q, k, a), v), a, a.heads);
  return {scaled(b, mixed, 1 / grid)};
}

std::vector<Value> decompose_backward(Builder& b, const OpArgs& args) {
  const AttentionShape a = attention_shape(args);
  const Value q = to_heads(b, args.value("q"), a, a.heads);
  const Value dy = to_heads(b, args.value("dy"), a, a.heads);
  const Value k = to_heads(b, args.value("k"), a, a.kv_heads);
  const Value v = to_heads(b, args.value("v"), a, a.kv_heads);
  const Value p = build_probabilities(b, q, k, a);
  const Value dp = b.matmul(dy, v, false, true);
  const Value centred = b.sub(dp, b.reduce_sum(b.mul(dp, p), {3}, true));
  const double grid = grid_scale(q->type.dtype, a);
  const Value ds = b.mul(b.mul(p, centred), a.scale * grid);
  const auto gathered = [&](Value x, int64_t heads) {
    if (heads != a.heads) x = b.reduce_sum(x, {1}, true);  // over the heads that share a key
    return scaled(b, from_heads(b, x, a, heads), 1 / grid);
  };
  return {gathered(b.matmul(ds, k), a.heads), gathered(b.matmul(ds, q, true, false), a.kv_heads),
          gathered(b.matmul(p, scaled(b, dy, grid), true, false), a.kv_heads)};
}

// What is masked is not counted: T (T + 1) / 2 scores are left, or fewer with a window, each a dot
// product and an update.
double scores_of(const OpArgs& args) {
  const AttentionShape a = attention_shape(args);
  const auto t = static_cast<double>(a.sequence);
  const double hidden = a.window > 0 ? std::max(t - static_cast<double>(a.window), 0.0) : 0;
  return static_cast<double>(a.batch * a.heads) * (t * (t + 1) - hidden * (hidden + 1)) / 2 *
         static_cast<double>(a.head_size);
}
double flops_forward(const OpArgs& args) { return 4 * scores_of(args); }
double flops_backward(const OpArgs& args) { return 10 * scores_of(args); }

const OpDef kOps[] = {
    {.name = "anemone.causal_attention",
     .params = kForward,
     .infer = infer_forward,
     .eval = eval_forward,
     .grad = grad_forward,
     .flops = flops_forward,
     .decompose = decompose_forward},
    {.name = "anemone.causal_attention_backward",
     .params = kBackward,
     .infer = infer_backward,
     .eval = eval_backward,
     .flops = flops_backward,
     .decompose = decompose_backward},
};

}  // namespace

AttentionShape attention_heads(const OpArgs& args) {
  const Shape &q = args.shape("q"), &k = args.shape("k");
  args.require(q.size() == 4 && k.size() == 4 && q[0] == 1 && q[2] == 1 && k[0] == 1 && k[2] == 1 &&
                   q[3] == k[3] && args.type("v") == args.type("k"),
               "{}.c1: q {}, k {} and v {} must be [1, C, 1, S] with one S", args.op().type,
               to_string(q), to_string(k), to_string(args.shape("v")));
  AttentionShape shape;
  shape.head_size = std::max<int64_t>(args.integer("head_size"), 0);
  if (shape.head_size > 0) {
    shape.heads = q[1] / shape.head_size;
    shape.kv_heads = k[1] / shape.head_size;
  }
  shape.window = args.integer("window", 0);
  shape.scale = args.number("scale", 1 / std::sqrt(static_cast<double>(shape.head_size)));
  check_heads(args, shape);
  return shape;
}

AttentionShape attention_shape(const OpArgs& args) {
  AttentionShape shape = attention_heads(args);
  shape.sequence = args.integer("sequence");
  const int64_t width = args.shape("q")[3];
  args.require(shape.sequence > 0 && width % shape.sequence == 0,
               "{}.c4: {} columns are not a multiple of sequence {}", args.op().type, width,
               shape.sequence);
  shape.batch = width / shape.sequence;
  return shape;
}

std::span<const OpDef> composite_attention_ops() { return kOps; }

}  // namespace anemone
