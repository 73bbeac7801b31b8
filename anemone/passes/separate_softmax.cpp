#include "anemone/ops/op_args.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {

bool separate_softmax(Function& function) {
  return rewrite(
      function, [](Builder& b, const Operation& op) -> std::optional<std::vector<Value>> {
        if (op.type != "anemone.softmax_cross_entropy") return std::nullopt;
        const OpArgs args(op);
        const Value p = b.softmax(args.value("logits"), 1);
        const Value loss =
            b.op("anemone.nll_loss", {{"probabilities", p}, {"targets", args.operand("targets")}});
        return std::vector{loss, p};
      });
}

}  // namespace anemone
