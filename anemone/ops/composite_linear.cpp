// anemone.narrow_linear and anemone.narrow_rows: a linear layer and a table whose weights are
// stored in fewer bits than they compute in. A token needs each weight once, so that half of the
// bits is half of the time.
#include "anemone/base/int4.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/indexing.h"
#include "anemone/ops/packed.h"

namespace anemone {
namespace {

// x [1, C, 1, S], weight [O, C, 1, 1] of any float type, or int8 with a scale [O] for its rows in
// the type of x, or int4 with fp16 scales [O, C / 32] for groups -> [1, O, 1, S] in the type of x.
constexpr Param kNarrowLinear[] = {param("x", Accepts::kFloat), param("weight", Accepts::kAny),
                                   optional_param("scale", Accepts::kFloat)};

// Rows of int4 are whole groups, each with a scale.
void require_groups(const OpArgs& args, const Shape& weight, std::string_view rule) {
  args.require(weight[1] % kInt4Group == 0, "{}: rows of {} numbers are not whole groups of {}",
               rule, weight[1], kInt4Group);
  const Type scale = Type::tensor(DType::kFp16, {weight[0], weight[1] / kInt4Group});
  args.require(args.type("scale") == scale, "{}: scale is {}, not {}", rule,
               to_string(args.type("scale")), to_string(scale));
}

std::vector<Type> infer_narrow_linear(const OpArgs& args) {
  const Shape &x = args.shape("x"), &weight = args.shape("weight");
  args.require(x.size() == 4 && x[0] == 1 && x[2] == 1,
               "anemone.narrow_linear.c1: x is {}, not [1, C, 1, S]", to_string(x));
  args.require(weight.size() == 4 && weight[1] == x[1] && weight[2] == 1 && weight[3] == 1,
               "anemone.narrow_linear.c2: weight is {}, not [O, {}, 1, 1]", to_string(weight),
               x[1]);
  const DType stored = args.type("weight").dtype;
  const bool is_int8 = stored == DType::kInt8, is_int4 = stored == DType::kInt4;
  args.require(is_int8 || is_int4 ? args.has("scale") : is_float(stored) && !args.has("scale"),
               "anemone.narrow_linear.c3: a weight of {} {}", name(stored),
               is_int8 || is_int4 ? "needs a scale"
               : is_float(stored) ? "has no scale"
                                  : "is not known");
  args.require(!is_int8 || args.type("scale") == Type::tensor(args.type("x").dtype, {weight[0]}),
               "anemone.narrow_linear.c4: scale is {}, not {} numbers of the type of x",
               is_int8 ? to_string(args.type("scale")) : "", weight[0]);
  if (is_int4) require_groups(args, weight, "anemone.narrow_linear.c5");
  return {Type::tensor(args.type("x").dtype, {1, weight[0], 1, x[3]})};
}

// Element `index` of a matrix of int4, times the scale of its group.
double scaled_int4(const TensorView& numbers, const TensorView& scale, int64_t index) {
  return packed_at(numbers, index) * scale.at(index / kInt4Group);
}

void eval_int4_linear(const EvalArgs& args) {
  const int64_t channels = args.shape("x")[1], columns = args.shape("x")[3];
  const TensorView weight = args.in("weight"), scale = args.in("scale"), x = args.in("x");
  for (int64_t i = 0; i < args.out().size(); ++i) {
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) {
      sum +=
          scaled_int4(weight, scale, i / columns * channels + c) * x.at(c * columns + i % columns);
    }
    args.out().set(i, sum);
  }
}

void eval_narrow_linear(const EvalArgs& args) {
  if (args.in("weight").dtype == DType::kInt4) return eval_int4_linear(args);
  const int64_t channels = args.shape("x")[1], columns = args.shape("x")[3];
  with_float(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto x = args.in("x").as<T>(), out = args.out().as<T>();
    const TensorView weight = args.in("weight");
    const auto scale = args.has("scale") ? args.in("scale").as<T>() : std::span<T>();
    for (size_t i = 0; i < out.size(); ++i) {
      const auto row = static_cast<int64_t>(i) / columns, s = static_cast<int64_t>(i) % columns;
      double sum = 0;
      for (int64_t c = 0; c < channels; ++c) {
        sum += weight.at(row * channels + c) * x[static_cast<size_t>(c * columns + s)];
      }
      out[i] = static_cast<T>(scale.empty() ? sum : sum * scale[static_cast<size_t>(row)]);
    }
  });
}

// MIL widens groups of int4 in constants only.
void refuse_int4(const OpArgs& args, std::string_view weight) {
  args.require(args.type(weight).dtype != DType::kInt4,
               "{}: weights in int4 are for the device 'cpu' alone", args.op().type);
}

double flops_narrow_linear(const OpArgs& args) {
  return 2.0 * static_cast<double>(element_count(args.shape("weight")) * args.shape("x")[3]);
}

std::vector<Value> decompose_narrow_linear(Builder& b, const OpArgs& args) {
  refuse_int4(args, "weight");
  const Value x = args.value("x");
  const Value product = b.conv1x1(x, b.cast(args.value("weight"), x->type.dtype));
  if (!args.has("scale")) return {product};
  return {b.mul(product, b.reshape(args.value("scale"), {1, product->type.shape[1], 1, 1}))};
}

// table [V, C] of int4 with fp16 scales [V, C / 32], indices int32 [N], from the end where they are
// negative -> rows [N, C] in fp32.
constexpr Param kNarrowRows[] = {param("table", Accepts::kAny), param("scale", Accepts::kFloat),
                                 param("indices", Accepts::kInteger)};

std::vector<Type> infer_narrow_rows(const OpArgs& args) {
  const Shape &table = args.shape("table"), &indices = args.shape("indices");
  args.require(args.type("table").dtype == DType::kInt4 && table.size() == 2 && indices.size() == 1,
               "anemone.narrow_rows.c1: table is {} and indices are {}, not int4 [V, C] and [N]",
               to_string(args.type("table")), to_string(indices));
  require_groups(args, table, "anemone.narrow_rows.c2");
  return {Type::tensor(DType::kFp32, {indices[0], table[1]})};
}

void eval_narrow_rows(const EvalArgs& args) {
  const TensorView table = args.in("table"), scale = args.in("scale"), out = args.out();
  const int64_t columns = table.shape[1];
  for (int64_t i = 0; i < args.in("indices").size(); ++i) {
    const int64_t row =
        checked_index(args, args.in("indices"), i, table.shape[0], "anemone.narrow_rows.c3");
    for (int64_t c = 0; c < columns; ++c) {
      out.set(i * columns + c, scaled_int4(table, scale, row * columns + c));
    }
  }
}

std::vector<Value> decompose_narrow_rows(Builder& /*b*/, const OpArgs& args) {
  refuse_int4(args, "table");
  return {};
}

const OpDef kOps[] = {
    {.name = "anemone.narrow_linear",
     .params = kNarrowLinear,
     .infer = infer_narrow_linear,
     .eval = eval_narrow_linear,
     .flops = flops_narrow_linear,
     .decompose = decompose_narrow_linear,
     .traits = Trait::kProduct | Trait::kReadsPacked},
    {.name = "anemone.narrow_rows",
     .params = kNarrowRows,
     .infer = infer_narrow_rows,
     .eval = eval_narrow_rows,
     .decompose = decompose_narrow_rows,
     .traits = Trait::kReadsPacked},
};

}  // namespace

std::span<const OpDef> composite_linear_ops() { return kOps; }

}  // namespace anemone
