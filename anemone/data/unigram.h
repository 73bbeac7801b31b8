// The unigram model as tokenizer.json describes it: the pieces of the best total score.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "anemone/data/piece_trie.h"
#include "anemone/data/token_model.h"

namespace anemone {

class Unigram : public TokenModel {
 public:
  // Throws Error naming the place in the JSON for what is damaged or not known.
  explicit Unigram(const JsonNode& model);

  // Of equal totals the one with the longest last piece. Characters of no piece become one unknown
  // token for a run of them, or its bytes. O(n × the longest piece).
  void append_ids(std::string_view piece, std::vector<int>& ids) const override;

 private:
  // The best way to the byte where it ends.
  struct Way {
    double score = 0;
    int begin = -1, id = -1;  // of its last piece
  };

  void read_vocabulary(const JsonNode& vocabulary);
  std::vector<Way> best_ways(std::string_view text) const;
  void improve(Way& way, double score, size_t begin, int id) const;
  std::vector<std::string_view> best_pieces(std::string_view text) const;
  bool append_bytes(std::string_view text, std::vector<int>& ids) const;
  int unknown_id() const;

  PieceTrie trie_;
  std::vector<double> scores_;  // by id
  std::optional<int> unknown_;
  double unknown_score_ = 0;
  bool byte_fallback_ = false;
  std::array<int, 256> bytes_{};  // the ids of <0x00>..<0xFF>; -1: none
};

}  // namespace anemone
