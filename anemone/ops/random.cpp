// random_bernoulli, random_categorical, random_normal and random_uniform: with a seed always the
// same numbers, of our own generator. MIL promises no others.
#include <algorithm>
#include <cmath>

#include "anemone/base/random.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kBernoulli[] = {const_param("shape", Accepts::kInteger),
                                optional_const("prob", Accepts::kFloat),
                                optional_const("seed", Accepts::kInteger)};
constexpr Param kNormal[] = {
    const_param("shape", Accepts::kInteger), optional_const("mean", Accepts::kFloat),
    optional_const("stddev", Accepts::kFloat), optional_const("seed", Accepts::kInteger)};
constexpr Param kUniform[] = {
    const_param("shape", Accepts::kInteger), optional_const("low", Accepts::kFloat),
    optional_const("high", Accepts::kFloat), optional_const("seed", Accepts::kInteger)};
constexpr Param kCategorical[] = {
    param("x", Accepts::kFloat), optional_const("mode", Accepts::kString),
    optional_const("size", Accepts::kInteger), optional_const("seed", Accepts::kInteger)};

// Quoting .c2: the type of the parameters that say what is drawn, fp32 without any.
DType drawn_dtype(const OpArgs& args, const char* first, const char* second) {
  const char* given = args.has(first) ? first : second;
  const DType dtype = args.has(given) ? args.type(given).dtype : DType::kFp32;
  args.require(!args.has(second) || args.type(second).dtype == dtype,
               "{}.c2: '{}' and '{}' differ in type", args.op().type, first, second);
  args.number(first, 0.0);
  args.number(second, 0.0);
  return dtype;
}

std::vector<Type> drawn(const OpArgs& args, const char* first, const char* second) {
  const std::vector<int64_t> shape = args.integers("shape");
  for (int64_t size : shape) {
    args.require(size > 0, "{}.c1: size {} is not positive", args.op().type, size);
  }
  args.integer("seed", -1);
  return {Type::tensor(drawn_dtype(args, first, second), shape)};
}

Random generator(const EvalArgs& args) {
  const int64_t seed = args.integer("seed", -1);
  args.require(seed >= 0,
               "{}.c3: without a seed the numbers differ from run to run, which nothing here does; "
               "give a seed from 0 on",
               args.op().type);
  return Random(static_cast<uint64_t>(seed));
}

template <typename Draw>
void fill(const EvalArgs& args, Draw&& draw) {
  Random random = generator(args);
  for (int64_t i = 0; i < args.out().size(); ++i) args.out().set(i, draw(random));
}

std::vector<Type> infer_bernoulli(const OpArgs& args) { return drawn(args, "prob", "prob"); }
std::vector<Type> infer_normal(const OpArgs& args) { return drawn(args, "mean", "stddev"); }
std::vector<Type> infer_uniform(const OpArgs& args) { return drawn(args, "low", "high"); }

void eval_bernoulli(const EvalArgs& args) {
  const double share = args.number("prob", 0.5);
  fill(args, [=](Random& random) { return random.uniform() < share ? 1.0 : 0.0; });
}

void eval_normal(const EvalArgs& args) {
  const double mean = args.number("mean", 0.0), deviation = args.number("stddev", 1.0);
  fill(args, [=](Random& random) { return mean + deviation * random.normal(); });
}

void eval_uniform(const EvalArgs& args) {
  const double low = args.number("low", 0.0), high = args.number("high", 1.0);
  fill(args, [=](Random& random) { return low + (high - low) * random.uniform(); });
}

bool is_logits(const OpArgs& args) {
  const std::string mode = args.text("mode", "logits");
  args.require(mode == "logits" || mode == "probs",
               "random_categorical.c2: mode '{}' is not logits or probs", mode);
  return mode == "logits";
}

std::vector<Type> infer_categorical(const OpArgs& args) {
  Type result = args.type("x");
  const int64_t size = args.integer("size", 1);
  args.require(result.rank() > 0 && size > 0,
               "random_categorical.c1: {} samples of a tensor {} cannot be drawn", size,
               to_string(result));
  is_logits(args);
  args.integer("seed", -1);
  result.shape.back() = size;
  return {result};
}

// The shares of the classes in a row, not scaled to a sum of one.
std::vector<double> shares_of(const TensorView& x, int64_t row, int64_t classes, bool logits) {
  std::vector<double> shares;
  for (int64_t i = 0; i < classes; ++i) shares.push_back(x.at(row * classes + i));
  if (!logits) return shares;
  const double largest = *std::max_element(shares.begin(), shares.end());
  for (double& share : shares) share = std::exp(share - largest);
  return shares;
}

int64_t pick(const std::vector<double>& shares, double point) {
  double total = 0;
  for (double share : shares) total += share;
  double reached = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    reached += shares[i];
    if (point * total < reached) return static_cast<int64_t>(i);
  }
  return static_cast<int64_t>(shares.size()) - 1;
}

void eval_categorical(const EvalArgs& args) {
  const TensorView& x = args.in("x");
  const int64_t classes = x.shape.back(), samples = args.out().shape.back();
  const bool logits = is_logits(args);
  Random random = generator(args);
  for (int64_t row = 0; row < x.size() / classes; ++row) {
    const std::vector<double> shares = shares_of(x, row, classes, logits);
    for (int64_t i = 0; i < samples; ++i) {
      args.out().set(row * samples + i, static_cast<double>(pick(shares, random.uniform())));
    }
  }
}

const OpDef kOps[] = {
    {.name = "random_bernoulli",
     .params = kBernoulli,
     .infer = infer_bernoulli,
     .eval = eval_bernoulli},
    {.name = "random_normal",
     .params = kNormal,
     .infer = infer_normal,
     .eval = eval_normal,
     .flops = ten_flops_each},
    {.name = "random_uniform",
     .params = kUniform,
     .infer = infer_uniform,
     .eval = eval_uniform,
     .flops = one_flop_each},
    {.name = "random_categorical",
     .params = kCategorical,
     .infer = infer_categorical,
     .eval = eval_categorical},
};

}  // namespace

std::span<const OpDef> random_ops() { return kOps; }

}  // namespace anemone
