#include "anemone/train/batches.h"

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/ops/targets.h"

namespace anemone {

Batches::Batches(const TokenShard& shard, int64_t batch, int64_t sequence, Order order,
                 uint64_t seed)
    : shard_(shard), batch_(batch), sequence_(sequence), order_(order), random_(seed) {
  // Targets reach one token beyond the last row.
  shard.require_window((order == Order::kSequential ? batch : 1) * sequence + 1);
}

void Batches::seek(Position position) {
  micro_step_ = position.micro_step;
  random_ = Random(position.random_state);
}

void Batches::next(std::span<int32_t> tokens, std::span<int32_t> targets) {
  const auto width = tokens.size() / static_cast<size_t>(batch_);
  const auto size = static_cast<size_t>(sequence_);
  ANEMONE_CHECK(width >= size && tokens.size() == width * static_cast<size_t>(batch_) &&
                targets.size() == tokens.size());
  const int64_t block = batch_ * sequence_;
  const int64_t blocks = (shard_.size() - 1) / block;
  for (int64_t row = 0; row < batch_; ++row) {
    const int64_t first =
        order_ == Order::kSequential
            ? micro_step_ % blocks * block + row * sequence_
            : static_cast<int64_t>(random_.below(static_cast<uint64_t>(shard_.size() - sequence_)));
    const auto at = static_cast<size_t>(row) * width;
    shard_.read(first, tokens.subspan(at, size));
    shard_.read(first + 1, targets.subspan(at, size));
    std::fill_n(tokens.begin() + static_cast<ptrdiff_t>(at + size), width - size, 0);
    std::fill_n(targets.begin() + static_cast<ptrdiff_t>(at + size), width - size, kIgnoredTarget);
  }
  ++micro_step_;
}

}  // namespace anemone
