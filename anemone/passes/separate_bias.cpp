// conv(x, w, bias) becomes conv(x, w) + bias.
#include "anemone/ops/query.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

// [C] as [1, C, 1, …], of the rank of the result.
Value along_channels(Builder& b, Value bias, size_t rank) {
  Shape shape(rank, 1);
  shape.at(1) = bias->type.shape.at(0);
  return b.reshape(bias, shape);
}

Replacement separate(Builder& b, const Operation& conv) {
  const Value bias = is_convolution(conv) ? OpArgs(conv).value("bias") : nullptr;
  if (!bias) return std::nullopt;
  std::vector<Argument> rest = conv.arguments;
  std::erase_if(rest, [](const Argument& a) { return a.name == "bias"; });
  const Value product = b.op(conv.type, std::move(rest));
  return std::vector{b.add(product, along_channels(b, bias, product->type.shape.size()))};
}

}  // namespace

bool separate_bias(Function& function) { return rewrite(function, separate); }

}  // namespace anemone
