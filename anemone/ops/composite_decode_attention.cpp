// anemone.decode_attention, for generation: the q, k and v [1, C, 1, N] of new tokens against
// `position` cached tokens and each other, or against the last `window` of them. Scores are
// multiplied by `scale`, 1/sqrt(head size) where it is not given. Caches are [1, G, capacity, K]:
// what a token adds to one, and what a head reads of it, is contiguous.
#include <algorithm>
#include <cmath>
#include <limits>

#include "anemone/ops/composites.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kDecode[] = {param("q", Accepts::kFloat),
                             param("k", Accepts::kFloat),
                             param("v", Accepts::kFloat),
                             param("k_cache", Accepts::kFloat),
                             param("v_cache", Accepts::kFloat),
                             param("position", Accepts::kInteger),
                             const_param("head_size", Accepts::kInteger),
                             optional_const("window", Accepts::kInteger),
                             optional_const("scale", Accepts::kFloat)};

std::vector<Type> infer_decode(const OpArgs& args) {
  decode_attention_shape(args);
  return {args.type("q")};
}

// One head. The last token attends up to itself, each one before to one less.
template <typename T>
void eval_decode_head(const EvalArgs& args, const AttentionShape& a, int64_t position, int64_t h) {
  const auto q = args.in("q").as<T>(), k = args.in("k").as<T>(), v = args.in("v").as<T>();
  const auto k_cache = args.in("k_cache").as<T>(), v_cache = args.in("v_cache").as<T>();
  const int64_t own = h * a.head_size, shared = h / a.group() * a.head_size;
  const auto at = [&](std::span<T> cache, std::span<T> fresh, int64_t c, int64_t j) {
    return static_cast<double>(j < position ? cache[shared * a.sequence + j * a.head_size + c]
                                            : fresh[(shared + c) * a.fresh + j - position]);
  };
  for (int64_t t = 0; t < a.fresh; ++t) {
    const int64_t first = a.first_key(position + t);
    std::vector<double> p(static_cast<size_t>(position + t) + 1, -INFINITY);
    double maximum = -INFINITY, sum = 0;
    for (int64_t j = first; j <= position + t; ++j) {
      double score = 0;
      for (int64_t c = 0; c < a.head_size; ++c) {
        score += q[(own + c) * a.fresh + t] * at(k_cache, k, c, j);
      }
      maximum = std::max(maximum, p[static_cast<size_t>(j)] = score * a.scale);
    }
    for (double& value : p) sum += value = std::exp(value - maximum);
    for (int64_t c = 0; c < a.head_size; ++c) {
      double total = 0;
      for (int64_t j = first; j <= position + t; ++j) {
        total += p[static_cast<size_t>(j)] * at(v_cache, v, c, j);
      }
      args.out().as<T>()[(own + c) * a.fresh + t] = static_cast<T>(total / sum);
    }
  }
}

void eval_decode(const EvalArgs& args) {
  const AttentionShape a = decode_attention_shape(args);
  const int64_t position = args.in("position").as<int32_t>()[0];
  args.require(position >= 0 && position <= a.sequence,
               "anemone.decode_attention.c5: position {} is outside the cache of {}", position,
               a.sequence);
  with_float(args.out().dtype, [&](auto type) {
    for (int64_t h = 0; h < a.heads; ++h) eval_decode_head<decltype(type)>(args, a, position, h);
  });
}

constexpr int64_t kAbove = std::numeric_limits<int32_t>::max();

// [1, 1, N, sequence + N]: what a column of scores is compared with `position` as. `cached(j)` for
// cached tokens, -1 for new tokens that new token t sees (`sees(t, i)`), the largest for others.
template <typename Cached, typename Sees>
Value column_numbers(Builder& b, const AttentionShape& a, const char* name, Cached&& cached,
                     Sees&& sees) {
  const int64_t width = a.sequence + a.fresh;
  std::vector<int32_t> columns;
  for (int64_t t = 0; t < a.fresh; ++t) {
    for (int64_t j = 0; j < width; ++j) {
      const int64_t fresh = j - a.sequence;
      const int64_t number = fresh < 0 ? cached(t, j) : sees(t, fresh) ? -1 : kAbove;
      columns.push_back(static_cast<int32_t>(number));
    }
  }
  return b.constant(Tensor::of<int32_t>({1, 1, a.fresh, width}, columns), name);
}

// Which columns of scores count: cached ones below `position` and within the window, new ones up to
// the query's own.
Value visible_columns(Builder& b, const AttentionShape& a, Value position) {
  const Value up_to = column_numbers(
      b, a, "columns", [](int64_t, int64_t j) { return j; },
      [](int64_t t, int64_t fresh) { return fresh <= t; });
  const Value past = b.binary("less", up_to, position);
  if (a.window == 0) return past;
  // Cached token j is in the window of new token t at position + t if j > position + t - window.
  const Value last = column_numbers(
      b, a, "last_positions",
      [&](int64_t t, int64_t j) { return std::min(j + a.window - t - 1, kAbove); },
      [&](int64_t t, int64_t fresh) { return fresh <= t - a.window; });
  return b.binary("logical_and", past, b.binary("greater_equal", last, position));
}

// The new keys and values stand behind the cache; a mask hides the columns not yet written.
std::vector<Value> decompose_decode(Builder& b, const OpArgs& args) {
  const AttentionShape a = decode_attention_shape(args);
  const DType dtype = args.type("q").dtype;
  const auto grouped = [&](const char* cache, const char* fresh) {
    const Value cached = b.reshape(args.value(cache), {a.kv_heads, 1, a.sequence, a.head_size});
    const Value rows = b.reshape(args.value(fresh), {a.kv_heads, 1, a.head_size, a.fresh});
    return b.concat({cached, b.transpose(rows, {0, 1, 3, 2})}, 2);
  };
  Value q = args.value("q");
  if (a.fresh == 1) {
    q = b.reshape(q, {a.kv_heads, a.group(), 1, a.head_size});
  } else {
    q = b.transpose(b.reshape(q, {a.kv_heads, a.group(), a.head_size, a.fresh}), {0, 1, 3, 2});
  }
  const Value visible = visible_columns(b, a, args.value("position"));
  const Value scores = b.mul(b.matmul(q, grouped("k_cache", "k"), false, true), a.scale);
  const Value masked =
      b.select(visible, scores, b.scalar(dtype, dtype == DType::kFp16 ? -1e4 : -1e30));
  Value mixed = b.matmul(b.softmax(masked, -1), grouped("v_cache", "v"));
  if (a.fresh > 1) mixed = b.transpose(mixed, {0, 1, 3, 2});
  return {b.reshape(mixed, args.shape("q"))};
}

double flops_decode(const OpArgs& args) {
  const AttentionShape a = decode_attention_shape(args);
  return 4.0 * static_cast<double>(a.heads * a.head_size * a.fresh * a.sequence);
}

const OpDef kOps[] = {
    {.name = "anemone.decode_attention",
     .params = kDecode,
     .infer = infer_decode,
     .eval = eval_decode,
     .flops = flops_decode,
     .decompose = decompose_decode},
};

}  // namespace

AttentionShape decode_attention_shape(const OpArgs& args) {
  AttentionShape shape = attention_heads(args);
  const Shape& cache = args.shape("k_cache");
  args.require(cache.size() == 4 && cache[0] == 1 && cache[1] == shape.kv_heads && cache[2] > 0 &&
                   cache[3] == shape.head_size && args.type("v_cache") == args.type("k_cache") &&
                   args.type("position") == Type::tensor(DType::kInt32, {1}),
               "{}.c4: caches {} and {} and position {} do not fit new tokens of {}",
               args.op().type, to_string(cache), to_string(args.shape("v_cache")),
               to_string(args.type("position")), to_string(args.shape("k")));
  shape.batch = 1;
  shape.sequence = cache[2];
  shape.fresh = args.shape("q")[3];
  return shape;
}

std::span<const OpDef> composite_decode_attention_ops() { return kOps; }

}  // namespace anemone
