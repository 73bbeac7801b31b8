#include "anemone/data/pair_merges.h"

#include <queue>

namespace anemone {
namespace {

uint64_t pair_key(int left, int right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

// A heap of candidates and a linked list make each merge O(log n).
class PairMerges::Merger {
 public:
  Merger(const PairMerges& merges, const std::vector<int>& ids) : merges_(merges) {
    const auto count = static_cast<int>(ids.size());
    symbols_.reserve(ids.size());
    for (int i = 0; i < count; ++i) {
      symbols_.push_back({ids[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1});
    }
    for (int i = 0; i + 1 < count; ++i) consider(i);
  }

  void run(std::vector<int>& ids) {
    while (!candidates_.empty()) {
      const Candidate best = candidates_.top();
      candidates_.pop();
      merge(best);
    }
    for (int i = symbols_.empty() ? -1 : 0; i >= 0; i = at(i).next) ids.push_back(at(i).id);
  }

 private:
  struct Symbol {
    int id, previous, next;  // id -1: merged into an earlier one
  };
  struct Candidate {
    int rank, position, merged;
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };

  Symbol& at(int position) { return symbols_[static_cast<size_t>(position)]; }

  const Merge* pair_at(int position) {
    const Symbol& left = at(position);
    return left.id < 0 || left.next < 0 ? nullptr : merges_.find(left.id, at(left.next).id);
  }

  void consider(int position) {
    if (const Merge* found = pair_at(position)) {
      candidates_.push({found->rank, position, found->id});
    }
  }

  // A candidate counts as long as its place gives the same token, from whatever pair.
  void merge(const Candidate& best) {
    const Merge* found = pair_at(best.position);
    if (found == nullptr || found->id != best.merged) return;
    Symbol& left = at(best.position);
    Symbol& right = at(left.next);
    left.id = best.merged;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) at(left.next).previous = best.position;
    if (left.previous >= 0) consider(left.previous);
    consider(best.position);
  }

  const PairMerges& merges_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate> candidates_;
};

void PairMerges::set(int left, int right, int rank, int id) {
  merges_[pair_key(left, right)] = {rank, id};
}

const PairMerges::Merge* PairMerges::find(int left, int right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void PairMerges::append_merged(const std::vector<int>& ids, std::vector<int>& result) const {
  Merger(*this, ids).run(result);
}

}  // namespace anemone
