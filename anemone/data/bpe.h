// Byte-pair encoding as tokenizer.json describes it: characters that merge by rank.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/data/pair_merges.h"
#include "anemone/data/token_model.h"

namespace anemone {

class Bpe : public TokenModel {
 public:
  // Throws Error naming the place in the JSON for merges of unknown tokens, ids that are there
  // twice, and settings that are not known; for dropout too, which makes ids random.
  explicit Bpe(const JsonNode& model);

  // Merges the pair of lowest rank first, the leftmost of equals. O(n log n).
  void append_ids(std::string_view piece, std::vector<int>& ids) const override;

 private:
  void read_settings(const JsonNode& model);
  void read_vocabulary(const JsonNode& vocabulary);
  void read_merges(const JsonNode& merges);
  void add_merge(const std::string& left, const std::string& right, int rank,
                 const JsonNode& merges, size_t index);
  std::optional<int> unknown_id() const;
  void append_characters(std::string_view piece, std::vector<int>& ids) const;
  bool append_bytes(std::string_view text, std::vector<int>& ids) const;

  PairMerges merges_;
  std::array<int, 256> bytes_{};  // the ids of <0x00>..<0xFF>; -1: none
  std::string unknown_, prefix_, suffix_;
  bool byte_fallback_ = false, fuses_unknown_ = false, ignores_merges_ = false;
};

}  // namespace anemone
