// The loss of a model on a shard.
#pragma once

#include <memory>

#include "anemone/data/token_shard.h"
#include "anemone/runtime/forward_program.h"
#include "anemone/train/parameters.h"

namespace anemone {

// Mean loss over windows of T tokens: window w is tokens [w*T, +T), its targets one further on.
class LossEvaluator {
 public:
  // `stored`: what the parameters were asked to be stored in, all of them.
  LossEvaluator(Device& device, ParameterSet& parameters, int64_t sequence,
                DType stored = DType::kFp32);

  // Windows that a shard holds.
  int64_t windows_in(const TokenShard& shard) const { return (shard.size() - 1) / sequence_; }

  // Mean over the first `windows` windows, which must be there. Throws Error for a shard shorter
  // than one window.
  double run(const TokenShard& shard, int64_t windows);

 private:
  int64_t sequence_;
  ForwardProgram program_;
};

}  // namespace anemone
