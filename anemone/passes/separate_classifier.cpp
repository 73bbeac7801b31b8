#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

Replacement separate(Builder& b, const OpArgs& args) {
  const Value p = b.softmax(b.conv1x1(args.value("x"), args.value("weight")), 1);
  const Value loss =
      b.op("anemone.nll_loss", {{"probabilities", p}, {"targets", args.operand("targets")}});
  return std::vector{loss, p};
}

}  // namespace

bool separate_classifier(Function& function) {
  return rewrite(function, {{"anemone.classifier_loss", separate}});
}

}  // namespace anemone
