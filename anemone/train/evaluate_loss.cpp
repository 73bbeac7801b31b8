#include "anemone/train/evaluate_loss.h"

#include <set>

#include "anemone/model/transformer.h"
#include "anemone/passes/freeze.h"
#include "anemone/passes/passes.h"

namespace anemone {
namespace {

// Reads parameters as they are stored: all narrow, or some frozen ones in bf16.
StageChain chain_of(const ParameterSet& parameters, int64_t sequence, DType stored) {
  StageChain chain = training_chain(parameters.config(), 1, sequence, OutputHead::kLoss);
  if (stored != DType::kFp32) {
    narrow_weights(chain, stored);
    return chain;
  }
  std::set<std::string> narrow;
  for (const Parameter& parameter : parameters.all()) {
    if (parameter.value->type().dtype == DType::kBf16) narrow.insert(parameter.name);
  }
  if (narrow.empty()) return chain;
  freeze(chain, [&](const std::string& name) { return !narrow.contains(name); });
  store_frozen_in_bf16(chain);
  return chain;
}

}  // namespace

LossEvaluator::LossEvaluator(Device& device, ParameterSet& parameters, int64_t sequence,
                             DType stored)
    : sequence_(sequence),
      program_(device, chain_of(parameters, sequence, stored), parameters.values()) {}

double LossEvaluator::run(const TokenShard& shard, int64_t windows) {
  shard.require_window(sequence_ + 1);
  ANEMONE_CHECK(windows >= 1 && windows <= windows_in(shard));
  const Tensor tokens(DType::kInt32, {sequence_}), targets(DType::kInt32, {sequence_});
  double sum = 0;
  for (int64_t w = 0; w < windows; ++w) {
    shard.read(w * sequence_, tokens.as<int32_t>());
    shard.read(w * sequence_ + 1, targets.as<int32_t>());
    program_.side("tokens")->write(tokens);
    program_.side("targets")->write(targets);
    program_.run();
    float loss = 0;
    program_.output().read({DType::kFp32, {1}, &loss});
    sum += loss;
  }
  return sum / static_cast<double>(windows);
}

}  // namespace anemone
