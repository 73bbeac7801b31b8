// Scaled dot-product attention: softmax(q k^T / sqrt(E) + mask) v.
#include <algorithm>
#include <cmath>
#include <limits>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kAttention[] = {param("query", Accepts::kFloat), param("key", Accepts::kFloat),
                                param("value", Accepts::kFloat),
                                optional_param("attn_mask", Accepts::kAny)};

void require_dtype(const OpArgs& args, const char* name) {
  const DType dtype = args.type("query").dtype;
  args.require(args.type(name).dtype == dtype, "{}.c1: 'query' is {} and '{}' is {}",
               args.op().type, anemone::name(dtype), name, anemone::name(args.type(name).dtype));
}

Shape leading(const Shape& shape, size_t dropped) {
  return Shape(shape.begin(), shape.end() - static_cast<int64_t>(dropped));
}

// Sizes of q [.., L, E], k [.., S, E], v [.., S, V].
struct Attention {
  Shape scores;  // [.., L, S]
  int64_t batch = 1, l = 0, s = 0, e = 0, v = 0;

  double scale() const { return 1 / std::sqrt(static_cast<double>(e)); }
};

Attention attention_of(const OpArgs& args) {
  const Shape &q = args.shape("query"), &k = args.shape("key"), &v = args.shape("value");
  const size_t rank = q.size();
  const std::string& op = args.op().type;
  args.require(rank >= 3 && k.size() == rank && v.size() == rank,
               "{}.c2: ranks {}, {} and {} are not equal and at least 3", op, rank, k.size(),
               v.size());
  const Shape batch = leading(q, 2);
  args.require(leading(k, 2) == batch && leading(v, 2) == batch,
               "{}.c3: batch axes of {}, {} and {} differ", op, to_string(q), to_string(k),
               to_string(v));
  args.require(q[rank - 1] == k[rank - 1] && k[rank - 2] == v[rank - 2],
               "{}.c4: {}, {} and {} are not [.., L, E], [.., S, E] and [.., S, V]", op,
               to_string(q), to_string(k), to_string(v));
  Attention a{batch, element_count(batch), q[rank - 2], k[rank - 2], q[rank - 1], v[rank - 1]};
  a.scores.insert(a.scores.end(), {a.l, a.s});
  return a;
}

std::vector<Type> infer_attention(const OpArgs& args) {
  const std::string& op = args.op().type;
  require_dtype(args, "key");
  require_dtype(args, "value");
  const Attention a = attention_of(args);
  if (args.has("attn_mask")) {
    const Type& mask = args.type("attn_mask");
    args.require(mask.rank() <= a.scores.size() &&
                     broadcast_shapes(args, mask.shape, a.scores, op + ".c5") == a.scores,
                 "{}.c5: mask {} does not broadcast to {}", op, to_string(mask.shape),
                 to_string(a.scores));
    args.require(mask.dtype == DType::kBool || mask.dtype == args.type("query").dtype,
                 "{}.c6: the mask is {}, neither bool nor like the query", op, name(mask.dtype));
  }
  Shape shape = leading(a.scores, 1);
  shape.push_back(a.v);
  return {Type::tensor(args.type("query").dtype, shape)};
}

// Adds a row of the mask to a row of scores; false in a bool mask is minus infinity.
template <typename T>
void add_mask(const TensorView& mask, int64_t start, int64_t step, std::vector<double>& scores) {
  for (size_t i = 0; i < scores.size(); ++i, start += step) {
    if (mask.dtype != DType::kBool) {
      scores[i] += static_cast<const T*>(mask.data)[start];
    } else if (!static_cast<const bool*>(mask.data)[start]) {
      scores[i] = -std::numeric_limits<double>::infinity();
    }
  }
}

void softmax_row(std::vector<double>& row) {
  const double largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (double& x : row) sum += x = std::exp(x - largest);
  for (double& x : row) x /= sum;
}

// One output row: softmax(q k^T * scale + mask) v.
template <typename T>
class AttentionRows {
 public:
  AttentionRows(const EvalArgs& args, const Attention& sizes)
      : sizes_(sizes),
        query_(args.in("query").as<T>().data()),
        key_(args.in("key").as<T>().data()),
        value_(args.in("value").as<T>().data()),
        out_(args.out().as<T>().data()),
        scores_(static_cast<size_t>(sizes.s)) {}

  void run(int64_t row, const TensorView* mask, int64_t mask_start, int64_t mask_step) {
    const int64_t batch = row / sizes_.l;
    const T* query = query_ + row * sizes_.e;
    for (int64_t s = 0; s < sizes_.s; ++s) {
      const T* key = key_ + (batch * sizes_.s + s) * sizes_.e;
      double dot = 0;
      for (int64_t e = 0; e < sizes_.e; ++e) dot += static_cast<double>(query[e]) * key[e];
      scores_[static_cast<size_t>(s)] = dot * sizes_.scale();
    }
    if (mask) add_mask<T>(*mask, mask_start, mask_step, scores_);
    softmax_row(scores_);
    for (int64_t v = 0; v < sizes_.v; ++v) {
      double sum = 0;
      const T* column = value_ + batch * sizes_.s * sizes_.v + v;
      for (int64_t s = 0; s < sizes_.s; ++s) {
        sum += scores_[static_cast<size_t>(s)] * column[s * sizes_.v];
      }
      out_[row * sizes_.v + v] = static_cast<T>(sum);
    }
  }

 private:
  const Attention& sizes_;
  const T *query_, *key_, *value_;
  T* out_;
  std::vector<double> scores_;
};

void eval_attention(const EvalArgs& args) {
  const Attention a = attention_of(args);
  const TensorView* mask = args.has("attn_mask") ? &args.in("attn_mask") : nullptr;
  const Shape strides = mask ? broadcast_strides(mask->shape, a.scores) : Shape(a.scores.size(), 0);
  with_float(args.out().dtype, [&](auto type) {
    AttentionRows<decltype(type)> rows(args, a);
    for_each_offset(leading(a.scores, 1), leading(strides, 1), [&](int64_t row, int64_t offset) {
      rows.run(row, mask, offset, strides.back());
    });
  });
}

Value attention_weights(GradArgs& args, double scale) {
  Builder& b = args.builder;
  Value scores = b.mul(b.matmul(args.value("query"), args.value("key"), false, true), scale);
  if (args.has("attn_mask")) {
    const Value mask = args.value("attn_mask");
    const DType dtype = scores->type.dtype;
    scores = mask->type.dtype == DType::kBool
                 ? b.select(mask, scores, b.scalar(dtype, -std::numeric_limits<double>::infinity()))
                 : b.add(scores, mask);
  }
  return b.softmax(scores, -1);
}

// With p the weights: dv = p^T dy, dp = dy v^T, dscores = p (dp - sum(dp p)).
Grads grad_attention(GradArgs& args) {
  Builder& b = args.builder;
  const Attention a = attention_of(args);
  const Value g = args.doutput(), p = attention_weights(args, a.scale());
  const Value dp = b.matmul(g, args.value("value"), false, true);
  const Value dscores = b.mul(p, b.sub(dp, b.reduce_sum(b.mul(dp, p), {-1}, true)));
  const Value scaled = b.mul(dscores, a.scale());
  Grads grads;
  if (args.wants("query"))
    grads.emplace_back(args.value("query"), b.matmul(scaled, args.value("key")));
  if (args.wants("key")) {
    grads.emplace_back(args.value("key"), b.matmul(scaled, args.value("query"), true));
  }
  if (args.wants("value")) grads.emplace_back(args.value("value"), b.matmul(p, g, true));
  if (args.wants("attn_mask")) {
    grads.emplace_back(args.value("attn_mask"), b.sum_to_shape(dscores, args.shape("attn_mask")));
  }
  return grads;
}

double flops_attention(const OpArgs& args) {
  const Attention a = attention_of(args);
  return static_cast<double>(element_count(a.scores)) * static_cast<double>(2 * a.e + 2 * a.v + 5);
}

const OpDef kOps[] = {
    {.name = "scaled_dot_product_attention",
     .params = kAttention,
     .infer = infer_attention,
     .eval = eval_attention,
     .grad = grad_attention,
     .flops = flops_attention,
     .since = Opset::kIos18},
};

}  // namespace

std::span<const OpDef> attention_ops() { return kOps; }

}  // namespace anemone
