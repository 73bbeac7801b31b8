// Room for some elements of a kernel's output, to be written as fp32.
#pragma once

#include <algorithm>

#include "anemone/devices/cpu/kernel.h"
#include "anemone/kernels/tiles.h"

namespace anemone {

// The output's own memory, or where that is bf16 a block that is rounded to it in the end, while
// it is in the first-level cache.
class Room {
 public:
  static constexpr size_t kMost = 1024;

  Room(const KernelRun& run, size_t output, size_t first, size_t count) : count_(count) {
    if (run.out[output].dtype == DType::kBf16) {
      narrow_ = static_cast<BFloat16*>(run.out[output].data) + first;
    } else {
      data_ = run.output(output) + first;
    }
  }
  ~Room() {
    const auto count = static_cast<int64_t>(count_);
    if (narrow_) round_rows(block_, count, 1, count, narrow_, count);
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  float* data() { return data_; }

 private:
  size_t count_;
  BFloat16* narrow_ = nullptr;
  float* data_ = block_;
  alignas(kAlignment) float block_[kMost];
};

// Calls body(first, count) for [begin, end) in pieces that a Room takes.
template <typename Body>
void in_rooms(size_t begin, size_t end, const Body& body) {
  for (; begin < end; begin += Room::kMost) body(begin, std::min(Room::kMost, end - begin));
}

}  // namespace anemone
