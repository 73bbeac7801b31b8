#include "anemone/testing/special_values.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "anemone/text/parser.h"

namespace anemone {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// Element-wise rows are repeated so that vector loops and their tails are reached.
constexpr int kRepeats = 7;

std::vector<double> repeat(const std::vector<double>& row) {
  std::vector<double> result;
  for (int i = 0; i < kRepeats; ++i) result.insert(result.end(), row.begin(), row.end());
  return result;
}

SpecialCase one(std::string call, const std::vector<double>& x, const std::vector<double>& want) {
  const Shape shape = {1, static_cast<int64_t>(x.size()) * kRepeats};
  return {std::move(call), shape, repeat(x), {}, shape, repeat(want)};
}

SpecialCase two(const std::string& op, const std::vector<double>& x, const std::vector<double>& y,
                const std::vector<double>& want) {
  SpecialCase result = one(op + "(x = x, y = y)", x, want);
  result.y = repeat(y);
  return result;
}

// Rows of three numbers, one result each.
SpecialCase rows(std::string call, const std::vector<double>& x, const std::vector<double>& want,
                 std::string dtype = "D") {
  const auto count = static_cast<int64_t>(want.size());
  return {std::move(call), {count, 3}, x, {}, {count}, want, std::move(dtype)};
}

std::string reduce(const std::string& op) {
  return op + "(x = x, axes = tensor<int32, [1]>([1]), keep_dims = bool(false))";
}

std::string scatter(const std::string& mode) {
  return "scatter_along_axis(data = x, indices = tensor<int32, [1, 4]>([[0, 1, 2, 3]]), updates = "
         "y, axis = int32(1), mode = string(\"" +
         mode + "\"))";
}

SpecialCase scatter_case(const std::string& mode, const std::vector<double>& want) {
  return {scatter(mode), {1, 4}, {kNan, 1, -0.0, 0.0}, {1, kNan, 0.0, -0.0}, {1, 4}, want};
}

void add_arithmetic(std::vector<SpecialCase>& cases) {
  const std::vector<double> x = {kNan, 1, kNan, -0.0, 0.0, kInf, -kInf};
  const std::vector<double> y = {1, kNan, kNan, 0.0, -0.0, -kInf, 2};
  cases.push_back(two("maximum", x, y, {kNan, kNan, kNan, 0.0, 0.0, kInf, 2}));
  cases.push_back(two("minimum", x, y, {kNan, kNan, kNan, -0.0, -0.0, -kInf, -kInf}));
  cases.push_back(two("add", x, y, {kNan, kNan, kNan, 0.0, 0.0, kNan, -kInf}));
  cases.push_back(two("sub", x, y, {kNan, kNan, kNan, -0.0, 0.0, kInf, -kInf}));
  cases.push_back(two("mul", x, y, {kNan, kNan, kNan, -0.0, -0.0, -kInf, -kInf}));
  cases.push_back(two("real_div", x, y, {kNan, kNan, kNan, kNan, kNan, kNan, -kInf}));
  // Of Python's float and numpy: of the divisor's sign.
  const std::vector<double> a = {kNan, 1, 3, -1, 5, kInf, -0.0, 0.0, -6, 7, 7, -1};
  const std::vector<double> b = {1, kNan, kInf, kInf, 0.0, 2, 3, -3, 3, 2.5, -2.5, -kInf};
  cases.push_back(two("mod", a, b, {kNan, kNan, 3, kInf, kNan, kNan, 0.0, -0.0, 0.0, 2, -0.5, -1}));
  cases.push_back(
      two("floor_div", a, b, {kNan, kNan, 0, -1, kInf, kNan, -0.0, -0.0, -2, 2, -3, 0.0}));
  // C's pow (F.10.4.4).
  cases.push_back(two("pow", {kNan, 1, 0.0, -0.0, 0.0, -8, kInf, 2},
                      {0.0, kNan, -1, -1, 2, 0.5, -1, kInf},
                      {1, 1, kInf, -kInf, 0, kNan, 0, kInf}));
  SpecialCase select = two("", {kNan, 1, -0.0}, {1, kNan, 0.0}, {kNan, 1, -0.0});
  select.call = "select(cond = bool(true), a = x, b = y)";
  cases.push_back(select);
}

void add_unary(std::vector<SpecialCase>& cases) {
  const std::vector<double> x = {kNan, -0.0, 0.0, kInf, -kInf};
  const std::pair<const char*, std::vector<double>> functions[] = {
      {"abs", {kNan, 0.0, 0.0, kInf, kInf}},
      {"sign", {kNan, 0.0, 0.0, 1, -1}},
      {"square", {kNan, 0.0, 0.0, kInf, kInf}},
      {"sqrt", {kNan, -0.0, 0.0, kInf, kNan}},
      {"exp", {kNan, 1, 1, kInf, 0}},
      {"exp2", {kNan, 1, 1, kInf, 0}},
      {"ceil", {kNan, -0.0, 0.0, kInf, -kInf}},
      {"floor", {kNan, -0.0, 0.0, kInf, -kInf}},
      {"round", {kNan, -0.0, 0.0, kInf, -kInf}},
      {"sin", {kNan, -0.0, 0.0, kNan, kNan}},
      {"cos", {kNan, 1, 1, kNan, kNan}},
      {"tan", {kNan, -0.0, 0.0, kNan, kNan}},
      {"sinh", {kNan, -0.0, 0.0, kInf, -kInf}},
      {"cosh", {kNan, 1, 1, kInf, kInf}},
      {"tanh", {kNan, -0.0, 0.0, 1, -1}},
      {"asin", {kNan, -0.0, 0.0, kNan, kNan}},
      {"acos", {kNan, M_PI_2, M_PI_2, kNan, kNan}},
      {"atan", {kNan, -0.0, 0.0, M_PI_2, -M_PI_2}},
      {"atanh", {kNan, -0.0, 0.0, kNan, kNan}},
      {"erf", {kNan, -0.0, 0.0, 1, -1}},
      {"identity", {kNan, -0.0, 0.0, kInf, -kInf}},
      // Limits are maximum and minimum with a number: of -0 and +0 the larger is +0.
      {"relu", {kNan, 0.0, 0.0, kInf, 0.0}},
      {"relu6", {kNan, 0.0, 0.0, 6, 0.0}},
      {"sigmoid", {kNan, 0.5, 0.5, 1, 0}},
      {"silu", {kNan, -0.0, 0.0, kInf, kNan}},  // x sigmoid(x) = -inf 0
      {"gelu", {kNan, -0.0, 0.0, kInf, kNan}},
      {"softplus", {kNan, M_LN2, M_LN2, kInf, 0}},
      {"softsign", {kNan, -0.0, 0.0, kNan, kNan}},  // inf / inf
  };
  for (const auto& [name, want] : functions) {
    cases.push_back(one(std::string(name) + "(x = x)", x, want));
  }
  const auto given = [&](const std::string& call, const std::vector<double>& want) {
    cases.push_back(one(call, x, want));
  };
  given("log(x = x, epsilon = D(0))", {kNan, -kInf, -kInf, kInf, kNan});
  given("rsqrt(x = x, epsilon = D(0))", {kNan, kInf, kInf, 0, kNan});
  given("inverse(x = x, epsilon = D(0))", {kNan, kInf, kInf, 0, -0.0});
  given("clip(x = x, alpha = D(0), beta = D(1))", {kNan, 0.0, 0.0, 1, 0.0});
  given("threshold(x = x, alpha = D(0))", {kNan, 0.0, 0.0, kInf, 0.0});
  given("leaky_relu(x = x, alpha = D(0.5))", {kNan, -0.0, 0.0, kInf, -kInf});
  given("elu(x = x, alpha = D(0.5))", {kNan, -0.0, 0.0, kInf, -0.5});
  given("sigmoid_hard(x = x, alpha = D(0.5), beta = D(0))", {kNan, 0.0, 0.0, 1, 0.0});
  given("scaled_tanh(x = x, alpha = D(2), beta = D(1))", {kNan, -0.0, 0.0, 2, -2});
  given("thresholded_relu(x = x, alpha = D(0))", {kNan, -0.0, 0.0, kInf, 0.0});
  given("clamped_relu(x = x, alpha = D(0.5), beta = D(1))", {kNan, -0.0, 0.0, 1, -kInf});
  given("linear_activation(x = x, alpha = D(2), beta = D(0))", {kNan, 0.0, 0.0, kInf, -kInf});
  const std::string channels = "tensor<D, [35]>([" + [] {
    std::string list = "0.5";
    for (int i = 1; i < 35; ++i) list += ", 0.5";
    return list;
  }() + "])";
  given("prelu(x = x, alpha = " + channels + ")", {kNan, -0.0, 0.0, kInf, -kInf});
  given("softplus_parametric(x = x, alpha = " + channels + ", beta = " + channels + ")",
        {kNan, M_LN2 / 2, M_LN2 / 2, kInf, 0});
}

void add_reductions(std::vector<SpecialCase>& cases) {
  const std::vector<double> x = {1, kNan, 3, -0.0, 0.0, -0.0, 0.0, -0.0, -kInf, kInf, 1, 2};
  cases.push_back(rows(reduce("reduce_max"), x, {kNan, 0.0, 0.0, kInf}));
  cases.push_back(rows(reduce("reduce_min"), x, {kNan, -0.0, -kInf, 1}));
  for (const char* sum : {"reduce_sum", "reduce_mean"}) {
    cases.push_back(rows(reduce(sum), x, {kNan, 0.0, -kInf, kInf}));
  }
  cases.push_back(rows(reduce("reduce_prod"), x, {kNan, 0.0, kNan, kInf}));
  for (const char* norm : {"reduce_l1_norm", "reduce_l2_norm", "reduce_sum_square"}) {
    cases.push_back(rows(reduce(norm), x, {kNan, 0.0, kInf, kInf}));
  }
  cases.push_back(rows(reduce("reduce_log_sum"), {1, kNan, 3, 0, 0, 0, kInf, 1, 2, -1, 0, 0},
                       {kNan, -kInf, kInf, kNan}));
  cases.push_back(rows(reduce("reduce_log_sum_exp"),
                       {1, kNan, 3, -kInf, 0, -kInf, kInf, 1, 2, -kInf, -kInf, -kInf},
                       {kNan, 0, kNan, kNan}));
  // The first NaN, else the first of equal extremes; -0 equals +0.
  const std::vector<double> places = {1, kNan, 3, kNan, 1, kNan, 3, 1, 3, -0.0, 0.0, -0.0};
  const std::string axis = "(x = x, axis = int32(1), keep_dims = bool(false))";
  cases.push_back(rows("reduce_argmax" + axis, places, {1, 0, 0, 0}, "int32"));
  cases.push_back(rows("reduce_argmin" + axis, places, {1, 0, 1, 0}, "int32"));
  // NaN comes last in either direction; equal numbers keep their order.
  const std::vector<double> unsorted = {kNan, 1, 3, 2, kNan, kInf, -0.0, 0.0, -0.0};
  const auto sorted = [&](const std::string& call, const std::vector<double>& want,
                          const std::string& dtype) {
    cases.push_back({call, {3, 3}, unsorted, {}, {3, 3}, want, dtype});
  };
  const std::string down = "(x = x, axis = int32(1), ascending = bool(false)";
  const std::string up = "(x = x, axis = int32(1), ascending = bool(true)";
  sorted("argsort" + down + ")", {2, 1, 0, 2, 0, 1, 0, 1, 2}, "int32");
  sorted("argsort" + up + ")", {1, 2, 0, 0, 2, 1, 0, 1, 2}, "int32");
  const std::string three = ", k = int32(3), return_indices = bool(false))";
  sorted("topk" + down + three, {3, 1, kNan, kInf, 2, kNan, -0.0, 0.0, -0.0}, "D");
  sorted("topk" + up + three, {1, 3, kNan, 2, kInf, kNan, -0.0, 0.0, -0.0}, "D");
}

void add_others(std::vector<SpecialCase>& cases) {
  cases.push_back(scatter_case("max", {kNan, kNan, 0.0, 0.0}));
  cases.push_back(scatter_case("min", {kNan, kNan, -0.0, -0.0}));
  cases.push_back(scatter_case("update", {1, kNan, 0.0, -0.0}));
  cases.push_back({"softmax(x = x, axis = int32(1))",
                   {4, 3},
                   {1, kNan, 3, -kInf, 0, 0, -kInf, -kInf, -kInf, kInf, 0, 0},
                   {},
                   {4, 3},
                   {kNan, kNan, kNan, 0, 0.5, 0.5, kNan, kNan, kNan, kNan, kNan, kNan}});
  const std::string pool =
      "(x = x, kernel_sizes = tensor<int32, [1]>([2]), strides = tensor<int32, [1]>([2]), "
      "pad_type = string(\"valid\"), pad = tensor<int32, [2]>([0, 0])";
  const std::vector<double> x = {1, kNan, -0.0, 0.0, -kInf, -1};
  cases.push_back({"max_pool" + pool + ")", {1, 1, 6}, x, {}, {1, 1, 3}, {kNan, 0.0, -1}});
  cases.push_back({"avg_pool" + pool + ", exclude_padding_from_average = bool(true))",
                   {1, 1, 6},
                   x,
                   {},
                   {1, 1, 3},
                   {kNan, 0.0, -kInf}});
  cases.push_back({"l2_pool" + pool + ")", {1, 1, 6}, x, {}, {1, 1, 3}, {kNan, 0.0, kInf}});
  // A point between elements is NaN where one that weighs is; one that weighs nothing is not read.
  cases.push_back(
      {"upsample_bilinear(x = x, scale_factor_width = int32(2), align_corners = "
       "bool(false))",
       {1, 1, 2},
       {1, kNan},
       {},
       {1, 1, 4},
       {1, kNan, kNan, kNan}});
  cases.push_back(
      {"resize_bilinear(x = x, target_size_width = int32(3), sampling_mode = "
       "string(\"ALIGN_CORNERS\"))",
       {1, 1, 2},
       {kInf, -kInf},
       {},
       {1, 1, 3},
       {kInf, kNan, -kInf}});
  cases.push_back({"cumsum(x = x, axis = int32(1))",
                   {2, 3},
                   {1, kNan, 3, -0.0, kInf, -kInf},
                   {},
                   {2, 3},
                   {1, kNan, kNan, 0.0, kInf, kNan}});
}

std::string in_type(std::string text, DType dtype) {
  for (size_t at = 0; (at = text.find('D', at)) != std::string::npos;) {
    text.replace(at, 1, name(dtype));
  }
  return text;
}

bool same(double got, double want, DType dtype) {
  if (std::isnan(want)) return std::isnan(got);
  if (want == 0 || std::isinf(want)) return got == want && std::signbit(got) == std::signbit(want);
  return std::abs(got - want) <= (dtype == DType::kFp16 ? 1e-3 : 1e-6) * std::abs(want);
}

}  // namespace

const std::vector<SpecialCase>& special_cases() {
  static const std::vector<SpecialCase> all = [] {
    std::vector<SpecialCase> cases;
    add_arithmetic(cases);
    add_unary(cases);
    add_reductions(cases);
    add_others(cases);
    return cases;
  }();
  return all;
}

const std::vector<std::string>& without_special_cases() {
  static const std::vector<std::string> all = {
      // Elements are moved bit by bit.
      "band_part", "batch_to_space", "concat", "const", "crop", "depth_to_space", "expand_dims",
      "fill", "fill_like", "flatten2d", "gather", "gather_along_axis", "gather_nd", "pad",
      "pixel_shuffle", "pixel_unshuffle", "reshape", "reshape_like", "reverse", "reverse_sequence",
      "scatter", "scatter_nd", "shape", "slice_by_index", "slice_by_size", "slice_update",
      "sliding_windows", "space_to_batch", "space_to_depth", "split", "squeeze", "stack", "tile",
      "transpose",
      // IEEE 754 comparison: NaN is unequal to everything, -0 equals +0.
      "equal", "greater", "greater_equal", "less", "less_equal", "not_equal",
      // They hand on what their blocks and states hold.
      "cond", "read_state", "while_loop", "write_state",
      // No floats go in.
      "constexpr_affine_dequantize", "constexpr_blockwise_shift_scale", "constexpr_cast",
      "constexpr_lut_to_dense", "constexpr_lut_to_sparse", "constexpr_sparse_blockwise_shift_scale",
      "constexpr_sparse_to_dense", "dequantize", "logical_and", "logical_not", "logical_or",
      "logical_xor", "one_hot", "range_1d",
      // Conversions to integers, which have tests of their own.
      "cast", "quantize",
      // Results that are no floats, or are drawn.
      "classify", "non_zero", "random_bernoulli", "random_categorical", "random_normal",
      "random_uniform",
      // Sums of products and of squares: NaN and infinities spread as in arithmetic.
      "batch_norm", "conv", "conv_transpose", "einsum", "instance_norm", "l2_norm", "layer_norm",
      "linear", "local_response_norm", "matmul", "scaled_dot_product_attention",
      // The same at points between elements, and step by step.
      "affine", "crop_resize", "gru", "lstm", "resample", "resize", "resize_nearest_neighbor",
      "rnn", "upsample_nearest_neighbor",
      // A NaN score is below every other: no box is hidden by it (detection_test.cpp).
      "non_maximum_suppression"};
  return all;
}

Function function_of(const SpecialCase& special, DType dtype) {
  const std::string x = fmt::format("tensor<D, {}>", to_string(special.shape));
  const std::string inputs = x + " x" + (special.y.empty() ? "" : ", " + x + " y");
  const std::string out =
      fmt::format("tensor<{}, {}> out", special.out_dtype, to_string(special.out_shape));
  const std::string text =
      fmt::format("func main<ios17>({}) {{\n{} = {};\n}} -> (out);\n", inputs, out, special.call);
  return std::move(parse_mil(in_type(text, dtype)).functions.front());
}

NamedTensors inputs_of(const SpecialCase& special, DType dtype) {
  NamedTensors inputs;
  const auto add = [&](const char* input, const std::vector<double>& numbers) {
    Tensor tensor(dtype, special.shape);
    for (size_t i = 0; i < numbers.size(); ++i) {
      tensor.view().set(static_cast<int64_t>(i), numbers[i]);
    }
    inputs[input] = std::move(tensor);
  };
  add("x", special.x);
  if (!special.y.empty()) add("y", special.y);
  return inputs;
}

std::string difference(const SpecialCase& special, const Tensor& got) {
  for (size_t i = 0; i < special.want.size(); ++i) {
    const double number = got.at(static_cast<int64_t>(i));
    if (same(number, special.want[i], got.dtype())) continue;
    return fmt::format("{}: element {} is {}, not {}", special.call, i, number, special.want[i]);
  }
  return "";
}

}  // namespace anemone
