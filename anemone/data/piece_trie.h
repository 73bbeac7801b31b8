// All pieces that a text begins with, found in one walk.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace anemone {

class PieceTrie {
 public:
  // Of a piece that is added twice the later id counts. Not empty.
  void add(std::string_view piece, int id) {
    uint32_t node = 0;
    for (char byte : piece) node = edges_.try_emplace(key(node, byte), next_++).first->second;
    ids_[node] = id;
  }

  // Calls `use(bytes, id)` for the pieces at the beginning of `text`, the shortest first.
  template <typename Use>
  void for_prefixes(std::string_view text, const Use& use) const {
    uint32_t node = 0;
    for (size_t at = 0; at < text.size(); ++at) {
      const auto edge = edges_.find(key(node, text[at]));
      if (edge == edges_.end()) return;
      node = edge->second;
      const auto found = ids_.find(node);
      if (found != ids_.end()) use(at + 1, found->second);
    }
  }

 private:
  static uint64_t key(uint32_t node, char byte) {
    return uint64_t{node} << 8 | static_cast<uint8_t>(byte);
  }

  std::unordered_map<uint64_t, uint32_t> edges_;
  std::unordered_map<uint32_t, int> ids_;
  uint32_t next_ = 1;
};

}  // namespace anemone
