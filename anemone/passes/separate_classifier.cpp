#include "anemone/ops/op_args.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {

bool separate_classifier(Function& function) {
  return rewrite(
      function, [](Builder& b, const Operation& op) -> std::optional<std::vector<Value>> {
        if (op.type != "anemone.classifier_loss") return std::nullopt;
        const OpArgs args(op);
        const Value p = b.softmax(b.conv1x1(args.value("x"), args.value("weight")), 1);
        const Value loss =
            b.op("anemone.nll_loss", {{"probabilities", p}, {"targets", args.operand("targets")}});
        return std::vector{loss, p};
      });
}

}  // namespace anemone
