// Which tokens a micro-step sees.
#pragma once

#include <span>

#include "anemone/base/random.h"
#include "anemone/data/token_shard.h"

namespace anemone {

enum class Order : uint8_t { kRandom, kSequential };

// B rows of T tokens with their targets, the tokens one further on. Rows may be wider than T: what
// is beyond it is padding, token 0 with a target that is ignored.
//
// Sequential: micro-step n takes tokens [n*B*T, +B*T) as B rows, and starts over at the end of the
// shard: with W = (size - 1) / (B*T) whole blocks, block n mod W. Random: every row starts
// anywhere.
class Batches {
 public:
  // The shard must outlive this. Throws Error where it is shorter than one micro-step needs.
  Batches(const TokenShard& shard, int64_t batch, int64_t sequence, Order order, uint64_t seed);

  // Fills B rows of equal width, T or more, and moves on.
  void next(std::span<int32_t> tokens, std::span<int32_t> targets);

  // What a checkpoint keeps.
  struct Position {
    int64_t micro_step = 0;
    uint64_t random_state = 0;
  };
  Position position() const { return {micro_step_, random_.state()}; }
  void seek(Position position);

 private:
  const TokenShard& shard_;
  int64_t batch_, sequence_;
  Order order_;
  int64_t micro_step_ = 0;
  Random random_;
};

}  // namespace anemone
