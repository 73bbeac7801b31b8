// einsum: the two products of MIL, over a's last axis and b's third from the end.
#include <cctype>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kEinsum[] = {tuple_param("values", Accepts::kFloat),
                             const_param("equation", Accepts::kString)};

// The letters renamed in the order in which they first come: "bcij,bjik->bcik" is
// "abcd,adce->abce".
std::string renamed(const std::string& equation) {
  std::string seen, result;
  for (char letter : equation) {
    if (letter == ' ') continue;
    if (!std::isalpha(static_cast<unsigned char>(letter))) {
      result += letter;
      continue;
    }
    if (seen.find(letter) == std::string::npos) seen += letter;
    result += static_cast<char>('a' + seen.find(letter));
  }
  return result;
}

// a [N, C, H, W], b [N, W, H, U], N and H broadcast; three axes lack N.
struct Product {
  Shape a, b, out;  // with four axes
  bool has_batch = false;
};

Shape with_batch(const Shape& shape) {
  Shape result = shape;
  if (result.size() == 3) result.insert(result.begin(), 1);
  return result;
}

Product product_of(const OpArgs& args) {
  const std::vector<Operand>& values = args.operands("values");
  args.require(values.size() == 2, "einsum.c1: {} values, not two", values.size());
  const Type &a = values[0].type(), &b = values[1].type();
  args.require(a.dtype == b.dtype, "einsum.c2: the values are {} and {}", name(a.dtype),
               name(b.dtype));
  const std::string equation = args.text("equation"), form = renamed(equation);
  const bool has_batch = form == "abcd,adce->abce";
  args.require(has_batch || form == "abc,cbd->abd",
               "einsum.c3: '{}' is neither nchw,nwhu->nchu nor chw,whr->chr", equation);
  const size_t rank = has_batch ? 4 : 3;
  args.require(a.rank() == rank && b.rank() == rank, "einsum.c4: values {} and {} have not {} axes",
               to_string(a), to_string(b), rank);
  Product p{with_batch(a.shape), with_batch(b.shape), {}, has_batch};
  bool fits = p.a[3] == p.b[1];
  for (size_t axis : {0, 2})
    fits = fits && (p.a[axis] == p.b[axis] || p.a[axis] == 1 || p.b[axis] == 1);
  args.require(fits, "einsum.c5: {} and {} do not multiply as {}", to_string(a), to_string(b),
               equation);
  p.out = {std::max(p.a[0], p.b[0]), p.a[1], std::max(p.a[2], p.b[2]), p.b[3]};
  return p;
}

std::vector<Type> infer(const OpArgs& args) {
  const Product p = product_of(args);
  const Shape shape(p.out.begin() + (p.has_batch ? 0 : 1), p.out.end());
  return {Type::tensor(args.operands("values")[0].type().dtype, shape)};
}

void eval(const EvalArgs& args) {
  const Product p = product_of(args);
  const Shape as = broadcast_strides(p.a, {p.out[0], p.a[1], p.out[2], p.a[3]});
  const Shape bs = broadcast_strides(p.b, {p.out[0], p.b[1], p.out[2], p.b[3]});
  const Shape strides = row_major_strides(p.out);
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const T* a = args.tuple("values")[0].as<T>().data();
    const T* b = args.tuple("values")[1].as<T>().data();
    const auto out = args.out().as<T>();
    for (size_t i = 0; i < out.size(); ++i) {
      const auto position = static_cast<int64_t>(i);
      const int64_t n = position / strides[0], c = position / strides[1] % p.out[1];
      const int64_t h = position / strides[2] % p.out[2], u = position % p.out[3];
      const T* x = a + n * as[0] + c * as[1] + h * as[2];
      const T* y = b + n * bs[0] + h * bs[2] + u * bs[3];
      double sum = 0;
      for (int64_t w = 0; w < p.a[3]; ++w) {
        sum += static_cast<double>(x[w * as[3]]) * static_cast<double>(y[w * bs[1]]);
      }
      out[i] = static_cast<T>(sum);
    }
  });
}

// `value` with the axes that are contracted and kept changed over.
Value turned(Builder& b, Value value) {
  return b.transpose(value, value->type.rank() == 4 ? std::vector<int64_t>{0, 3, 2, 1}
                                                    : std::vector<int64_t>{2, 1, 0});
}

// da = dy bᵀ and db = aᵀ dy, in the same form.
Grads grad(GradArgs& args) {
  Builder& b = args.builder;
  const Value g = args.doutput();
  const auto value = [&](size_t i) {
    const Operand& operand = args.operands("values")[i];
    return operand.value ? operand.value : b.constant(*operand.literal);
  };
  const auto product = [&](Value x, Value y, Value like) {
    const Value whole = b.op("einsum", {{"values", std::vector<Operand>{x, y}},
                                        {"equation", b.text(args.text("equation"))}});
    return b.sum_to_shape(whole, like->type.shape);
  };
  const Value x = value(0), y = value(1);
  Grads grads;
  if (args.active->contains(x)) grads.emplace_back(x, product(g, turned(b, y), x));
  if (args.active->contains(y)) grads.emplace_back(y, product(turned(b, x), g, y));
  return grads;
}

double flops(const OpArgs& args) {
  const Product p = product_of(args);
  return 2.0 * static_cast<double>(element_count(p.out)) * static_cast<double>(p.a[3]);
}

const OpDef kOps[] = {{.name = "einsum",
                       .params = kEinsum,
                       .infer = infer,
                       .eval = eval,
                       .grad = grad,
                       .flops = flops}};

}  // namespace

std::span<const OpDef> einsum_ops() { return kOps; }

}  // namespace anemone
