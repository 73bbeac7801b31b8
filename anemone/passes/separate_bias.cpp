// conv(x, w, bias) becomes conv(x, w) + bias.
#include "anemone/ops/op_args.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

bool is_convolution(const Operation& op) {
  return op.type == "conv" || op.type == "conv_transpose";
}

// [C] as [1, C, 1, …], of the rank of the result.
Value along_channels(Builder& b, Value bias, size_t rank) {
  Shape shape(rank, 1);
  shape.at(1) = bias->type.shape.at(0);
  return b.reshape(bias, shape);
}

}  // namespace

bool separate_bias(Function& function) {
  return rewrite(function,
                 [](Builder& b, const Operation& op) -> std::optional<std::vector<Value>> {
                   if (!is_convolution(op)) return std::nullopt;
                   const Value bias = OpArgs(op).value("bias");
                   if (!bias) return std::nullopt;
                   std::vector<Argument> rest = op.arguments;
                   std::erase_if(rest, [](const Argument& a) { return a.name == "bias"; });
                   const Value product = b.op(op.type, std::move(rest));
                   const size_t rank = product->type.shape.size();
                   return std::vector<Value>{b.add(product, along_channels(b, bias, rank))};
                 });
}

}  // namespace anemone
