#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "anemone/ir/uses.h"
#include "anemone/ops/query.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

bool is_known_or_absent(const OpArgs& args, const char* name) {
  return !args.has(name) || known_numbers(args, name) != nullptr;
}

// The convolution that makes what the operation normalises, with weights that are known.
const Operation* conv_before(const OpArgs& norm) {
  const Value x = norm.value("x");
  const Operation* conv = x ? x->producer : nullptr;
  if (!conv || !is_convolution(*conv)) return nullptr;
  const OpArgs args(*conv);
  return known_numbers(args, "weight") && is_known_or_absent(args, "bias") ? conv : nullptr;
}

bool is_foldable(const OpArgs& args) {
  const auto has = [&](const char* name) { return known_numbers(args, name) != nullptr; };
  return has("mean") && has("variance") && is_known_or_absent(args, "gamma") &&
         is_known_or_absent(args, "beta") && conv_before(args) != nullptr;
}

// y = scale * x + shift of each channel.
struct Affine {
  std::vector<double> scale, shift;
};

Affine affine_of(const OpArgs& norm) {
  constexpr double kEpsilon = 1e-5;  // as in the operation
  const TensorView mean = known_numbers(norm, "mean")->view(),
                   variance = known_numbers(norm, "variance")->view();
  const double epsilon = norm.number("epsilon", kEpsilon);
  Affine affine;
  for (int64_t c = 0; c < mean.size(); ++c) {
    const double gamma = norm.has("gamma") ? known_numbers(norm, "gamma")->view().at(c) : 1;
    const double beta = norm.has("beta") ? known_numbers(norm, "beta")->view().at(c) : 0;
    affine.scale.push_back(gamma / std::sqrt(variance.at(c) + epsilon));
    affine.shift.push_back(beta - mean.at(c) * affine.scale.back());
  }
  return affine;
}

// The output channel that element i of a weight belongs to: [O, ..], or [I, O / groups, ..] of a
// conv_transpose.
int64_t channel_of(const OpArgs& conv, int64_t i) {
  const Shape& shape = conv.shape("weight");
  const int64_t rest = element_count(shape) / shape[0];
  if (!is_conv_transpose(conv.op())) return i / rest;
  const int64_t group = i / rest / (shape[0] / conv.integer("groups", 1));
  return group * shape[1] + i % rest / (rest / shape[1]);
}

// Whether the numbers of each channel keep their digits in fp16: none is infinite, and the largest
// is not near the subnormal ones.
bool fits_fp16(const Tensor& weight, const OpArgs& conv, size_t channels) {
  constexpr double kLeast = 0x1p-9;
  std::vector<double> largest(channels, 0);
  for (int64_t i = 0; i < weight.size(); ++i) {
    const double size = std::abs(weight.view().at(i));
    if (!std::isfinite(size)) return false;
    double& most = largest[static_cast<size_t>(channel_of(conv, i))];
    most = std::max(most, size);
  }
  return std::all_of(largest.begin(), largest.end(),
                     [](double most) { return most == 0 || most >= kLeast; });
}

Replacement fold(Builder& builder, const OpArgs& norm) {
  const Operation* before = conv_before(norm);
  if (!before) return std::nullopt;
  const OpArgs conv(*before);
  const Affine affine = affine_of(norm);
  const Tensor* weight = known_numbers(conv, "weight");
  const DType dtype = weight->dtype();
  Tensor scaled(dtype, weight->shape()), bias(dtype, {static_cast<int64_t>(affine.scale.size())});
  for (int64_t i = 0; i < weight->size(); ++i) {
    const auto channel = static_cast<size_t>(channel_of(conv, i));
    scaled.view().set(i, weight->view().at(i) * affine.scale[channel]);
  }
  for (int64_t c = 0; c < bias.size(); ++c) {
    const auto channel = static_cast<size_t>(c);
    const double own = conv.has("bias") ? known_numbers(conv, "bias")->view().at(c) : 0;
    bias.view().set(c, own * affine.scale[channel] + affine.shift[channel]);
    if (!std::isfinite(bias.view().at(c))) return std::nullopt;
  }
  if (dtype == DType::kFp16 && !fits_fp16(scaled, conv, affine.scale.size())) return std::nullopt;
  std::vector<Argument> arguments;
  for (const Argument& argument : before->arguments) {
    if (argument.name != "weight" && argument.name != "bias") arguments.push_back(argument);
  }
  arguments.emplace_back("weight", builder.constant(std::move(scaled), "folded"));
  arguments.emplace_back("bias", builder.constant(std::move(bias), "folded"));
  return builder.ops(before->type, std::move(arguments));
}

}  // namespace

bool fold_batch_norm(Function& function) {
  const Uses uses(function);
  std::unordered_set<Value> foldable;
  for_each_of_type(function, "batch_norm", [&](Operation& op) {
    const OpArgs norm(op);
    if (is_foldable(norm) && uses.count(norm.value("x")) == 1) foldable.insert(op.outputs[0]);
  });
  if (foldable.empty()) return false;
  return rewrite(function, {{"batch_norm", [&](Builder& builder, const OpArgs& norm) {
                               return foldable.contains(norm.op().outputs[0]) ? fold(builder, norm)
                                                                              : std::nullopt;
                             }}});
}

}  // namespace anemone
