// anemone.swiglu, anemone.rope and anemone.matmul_add with their backward operations.
#include <cmath>

#include "anemone/ops/composites.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

// --- swiglu: y = silu(gate) * up ---

constexpr Param kSwiglu[] = {param("gate", Accepts::kFloat), param("up", Accepts::kFloat)};
constexpr Param kSwigluBackward[] = {param("gate", Accepts::kFloat), param("up", Accepts::kFloat),
                                     param("dy", Accepts::kFloat)};

void require_same_types(const OpArgs& args, std::initializer_list<const char*> names) {
  const char* first = *names.begin();
  for (const char* other : names) {
    args.require(args.type(other) == args.type(first), "{}.c1: '{}' is {}, '{}' is {}",
                 args.op().type, first, to_string(args.type(first)), other,
                 to_string(args.type(other)));
  }
}

template <typename T>
T sigmoid(T x) {
  return T{1} / (T{1} + std::exp(-x));
}

std::vector<Type> infer_swiglu(const OpArgs& args) {
  require_same_types(args, {"gate", "up"});
  return {args.type("gate")};
}

void eval_swiglu(const EvalArgs& args) {
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto gate = args.in("gate").as<T>(), up = args.in("up").as<T>();
    const auto out = args.out().as<T>();
    for (size_t i = 0; i < out.size(); ++i) out[i] = gate[i] * sigmoid(gate[i]) * up[i];
  });
}

Grads grad_swiglu(GradArgs& args) {
  const Value gate = args.value("gate"), up = args.value("up");
  const std::vector<Value> gradients = args.builder.ops(
      "anemone.swiglu_backward", {{"gate", gate}, {"up", up}, {"dy", args.doutput()}});
  return {{gate, gradients[0]}, {up, gradients[1]}};
}

std::vector<Value> decompose_swiglu(Builder& b, const OpArgs& args) {
  const Value gate = args.value("gate");
  return {b.mul(b.mul(gate, b.unary("sigmoid", gate)), args.value("up"))};
}

std::vector<Type> infer_swiglu_backward(const OpArgs& args) {
  require_same_types(args, {"gate", "up", "dy"});
  return {args.type("gate"), args.type("gate")};
}

void eval_swiglu_backward(const EvalArgs& args) {
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto gate = args.in("gate").as<T>(), up = args.in("up").as<T>();
    const auto dy = args.in("dy").as<T>();
    const auto dgate = args.out(0).as<T>(), dup = args.out(1).as<T>();
    for (size_t i = 0; i < dy.size(); ++i) {
      const T s = sigmoid(gate[i]), g = dy[i];
      dgate[i] = g * up[i] * s * (T{1} + gate[i] * (T{1} - s));
      dup[i] = g * gate[i] * s;
    }
  });
}

// silu'(x) = s (1 + x (1 - s)) with s = sigmoid(x).
std::vector<Value> decompose_swiglu_backward(Builder& b, const OpArgs& args) {
  const Value gate = args.value("gate"), dy = args.value("dy");
  const Value s = b.unary("sigmoid", gate);
  const Value slope = b.mul(s, b.add(b.mul(gate, b.add(b.mul(s, -1.0), 1.0)), 1.0));
  return {b.mul(b.mul(dy, args.value("up")), slope), b.mul(dy, b.mul(gate, s))};
}

// --- rope: rotates the pairs (2i, 2i+1) of every head, or (i, i + K/2) where not interleaved;
// x [1, H*K, 1, S], cos, sin [1, K/2, 1, S]

constexpr Param kRope[] = {param("x", Accepts::kFloat), param("cos", Accepts::kFloat),
                           param("sin", Accepts::kFloat), optional_const("inverse", Accepts::kBool),
                           optional_const("interleaved", Accepts::kBool)};

std::vector<Type> infer_rope(const OpArgs& args) {
  const Shape& x = args.shape("x");
  const Shape& table = args.shape("cos");
  args.require(x.size() == 4 && x[0] == 1 && x[2] == 1,
               "anemone.rope.c1: x is {}, not [1, C, 1, S]", to_string(x));
  args.require(table == args.shape("sin") && table.size() == 4 && table[0] == 1 && table[2] == 1 &&
                   table[1] > 0 && table[3] == x[3] && x[1] % (2 * table[1]) == 0,
               "anemone.rope.c2: cos {} and sin {} must be [1, head size / 2, 1, {}]",
               to_string(table), to_string(args.shape("sin")), x[3]);
  return {args.type("x")};
}

void eval_rope(const EvalArgs& args) {
  const int64_t pairs = args.shape("cos")[1], sequence = args.shape("x")[3];
  const double direction = args.boolean("inverse", false) ? -1 : 1;
  const bool interleaved = args.boolean("interleaved", true);
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto x = args.in("x").as<T>(), cosine = args.in("cos").as<T>();
    const auto sine = args.in("sin").as<T>(), out = args.out().as<T>();
    const int64_t half_channels = args.shape("x")[1] / 2;
    for (int64_t pair = 0; pair < half_channels; ++pair) {
      const int64_t head = pair / pairs * 2 * pairs;
      const int64_t row = interleaved ? 2 * pair : head + pair % pairs;
      for (int64_t s = 0; s < sequence; ++s) {
        const int64_t even = row * sequence + s;
        const int64_t odd = even + (interleaved ? 1 : pairs) * sequence;
        const T c = cosine[(pair % pairs) * sequence + s];
        const T d = static_cast<T>(direction) * sine[(pair % pairs) * sequence + s];
        out[even] = x[even] * c - x[odd] * d;
        out[odd] = x[even] * d + x[odd] * c;
      }
    }
  });
}

// A rotation's gradient is the rotation back.
Grads grad_rope(GradArgs& args) {
  Builder& b = args.builder;
  std::vector<Argument> arguments = {{"x", args.doutput()},
                                     {"cos", args.value("cos")},
                                     {"sin", args.value("sin")},
                                     {"inverse", b.boolean(!args.boolean("inverse", false))}};
  if (args.has("interleaved")) arguments.emplace_back("interleaved", args.operand("interleaved"));
  return {{args.value("x"), b.op("anemone.rope", std::move(arguments))}};
}

std::vector<Value> decompose_rope(Builder& b, const OpArgs& args) {
  const Value x = args.value("x"), cosine = args.value("cos");
  Value sine = args.value("sin");
  if (args.boolean("inverse", false)) sine = b.mul(sine, -1.0);
  const int64_t pairs = cosine->type.shape[1], sequence = x->type.shape[3];
  const int64_t heads = x->type.shape[1] / (2 * pairs);
  // [heads, pairs, 2, S] interleaved, or [heads, 2 * pairs, 1, S] by halves.
  const bool interleaved = args.boolean("interleaved", true);
  const int64_t axis = interleaved ? 2 : 1;
  const Shape split = {heads, (interleaved ? 1 : 2) * pairs, interleaved ? 2 : 1, sequence};
  const int64_t part = interleaved ? 1 : pairs;
  const std::vector<Value> halves = b.split(b.reshape(x, split), {part, part}, axis);
  const Value even = b.sub(b.mul(halves[0], cosine), b.mul(halves[1], sine));
  const Value odd = b.add(b.mul(halves[0], sine), b.mul(halves[1], cosine));
  return {b.reshape(b.concat({even, odd}, axis), x->type.shape)};
}

// --- matmul_add: y = sum + matmul(x, y): what accumulating a weight gradient is ---

constexpr Param kMatmulAdd[] = {
    param("sum", Accepts::kFloat), param("x", Accepts::kFloat), param("y", Accepts::kFloat),
    optional_const("transpose_x", Accepts::kBool), optional_const("transpose_y", Accepts::kBool)};

MatrixProduct product_of(const OpArgs& args) {
  const Shape &x = args.shape("x"), &y = args.shape("y");
  args.require(x.size() == 2 && y.size() == 2, "{}.c1: x {} and y {} must be matrices",
               args.op().type, to_string(x), to_string(y));
  const bool tx = args.boolean("transpose_x", false), ty = args.boolean("transpose_y", false);
  args.require(x[tx ? 0 : 1] == y[ty ? 1 : 0], "{}.c1: x {} and y {} do not multiply",
               args.op().type, to_string(x), to_string(y));
  return {x[tx ? 1 : 0], y[ty ? 0 : 1], x[tx ? 0 : 1], tx, ty};
}

std::vector<Type> infer_matmul_add(const OpArgs& args) {
  const MatrixProduct p = product_of(args);
  args.require(args.shape("sum") == Shape({p.rows, p.columns}),
               "anemone.matmul_add.c2: sum is {}, the product [{}, {}]",
               to_string(args.shape("sum")), p.rows, p.columns);
  return {args.type("sum")};
}

void eval_matmul_add(const EvalArgs& args) {
  const MatrixProduct p = product_of(args);
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto sum = args.in("sum").as<T>(), x = args.in("x").as<T>(), y = args.in("y").as<T>();
    for (int64_t i = 0; i < p.rows; ++i) {
      for (int64_t j = 0; j < p.columns; ++j) {
        double total = sum[i * p.columns + j];
        for (int64_t k = 0; k < p.inner; ++k) {
          total += static_cast<double>(x[p.transpose_x ? k * p.rows + i : i * p.inner + k]) *
                   y[p.transpose_y ? j * p.inner + k : k * p.columns + j];
        }
        args.out().as<T>()[i * p.columns + j] = static_cast<T>(total);
      }
    }
  });
}

double flops_matmul_add(const OpArgs& args) {
  const MatrixProduct p = product_of(args);
  return 2.0 * p.rows * p.columns * p.inner;
}

Grads grad_matmul_add(GradArgs& args) {
  Builder& b = args.builder;
  const MatrixProduct p = product_of(args);
  const Value x = args.value("x"), y = args.value("y"), dy = args.doutput();
  Grads grads{{args.value("sum"), b.unary("identity", dy)}};
  if (args.wants("x")) {
    grads.emplace_back(x, p.transpose_x ? b.matmul(y, dy, p.transpose_y, true)
                                        : b.matmul(dy, y, false, !p.transpose_y));
  }
  if (args.wants("y")) {
    grads.emplace_back(y, p.transpose_y ? b.matmul(dy, x, true, p.transpose_x)
                                        : b.matmul(x, dy, !p.transpose_x, false));
  }
  return grads;
}

std::vector<Value> decompose_matmul_add(Builder& b, const OpArgs& args) {
  const MatrixProduct p = product_of(args);
  return {b.add(args.value("sum"),
                b.matmul(args.value("x"), args.value("y"), p.transpose_x, p.transpose_y))};
}

double flops_swiglu(const OpArgs& args) { return 6 * one_flop_each(args); }
double flops_swiglu_backward(const OpArgs& args) { return 12 * one_flop_each(args); }
double flops_rope(const OpArgs& args) { return 3 * one_flop_each(args); }

const OpDef kOps[] = {
    {.name = "anemone.swiglu",
     .params = kSwiglu,
     .infer = infer_swiglu,
     .eval = eval_swiglu,
     .grad = grad_swiglu,
     .flops = flops_swiglu,
     .decompose = decompose_swiglu,
     .traits = Trait::kTranscendental},
    {.name = "anemone.swiglu_backward",
     .params = kSwigluBackward,
     .infer = infer_swiglu_backward,
     .eval = eval_swiglu_backward,
     .flops = flops_swiglu_backward,
     .decompose = decompose_swiglu_backward,
     .traits = Trait::kTranscendental},
    {.name = "anemone.rope",
     .params = kRope,
     .infer = infer_rope,
     .eval = eval_rope,
     .grad = grad_rope,
     .flops = flops_rope,
     .decompose = decompose_rope},
    {.name = "anemone.matmul_add",
     .params = kMatmulAdd,
     .infer = infer_matmul_add,
     .eval = eval_matmul_add,
     .grad = grad_matmul_add,
     .flops = flops_matmul_add,
     .decompose = decompose_matmul_add,
     .traits = Trait::kProduct},
};

}  // namespace

std::span<const OpDef> composite_elementwise_ops() { return kOps; }

}  // namespace anemone
