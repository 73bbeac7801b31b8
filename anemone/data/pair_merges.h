// Byte-pair encoding's loop: adjacent tokens that merge into one, the best pair first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace anemone {

class PairMerges {
 public:
  void reserve(size_t count) { merges_.reserve(count); }

  // `left` and `right` beside each other become `id`; a lower rank comes first. The last one that
  // is set for a pair counts.
  void set(int left, int right, int rank, int id);

  // Replaces the pair of lowest rank, the leftmost of equals, until there is none, and appends what
  // is left to `result`. O(n log n).
  void append_merged(const std::vector<int>& ids, std::vector<int>& result) const;

 private:
  class Merger;
  struct Merge {
    int rank, id;
  };

  const Merge* find(int left, int right) const;

  std::unordered_map<uint64_t, Merge> merges_;  // by left id << 32 | right id
};

}  // namespace anemone
