// The tokenizer of llama2.c: a list of scored pieces, merged greedily.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "anemone/data/pair_merges.h"
#include "anemone/data/tokenizer.h"

namespace anemone {

// File format (tokenizer.py and run.c of karpathy/llama2.c), little-endian, to the end of the file:
//   int32 longest_piece_bytes, then for each token: float32 score, int32 bytes, the piece
// Token 0 is <unk>, 1 BOS, 2 EOS, 3..258 the bytes <0x00>..<0xFF>.
class Llama2cTokenizer : public Tokenizer {
 public:
  // `file` is the whole content, `where` names it in errors.
  Llama2cTokenizer(std::string_view file, const std::string& where);

  int vocab_size() const override { return static_cast<int>(pieces_.size()); }
  int bos() const override { return 1; }
  int eos() const override { return 2; }

  // The ids that run.c gives: a dummy space in front of text that is not empty, then one token a
  // code point, then the best-scoring neighbours merge, leftmost first on ties. O(n log n).
  std::vector<int> encode(std::string_view text, bool add_bos) const override;

 protected:
  std::string_view piece(int id) const override { return texts_[static_cast<size_t>(id)]; }
  // As run.c: after every BOS.
  bool drops_space(DecodeState& state, int) const override { return state.previous == bos(); }

 private:
  void read_pieces(std::string_view file, const std::string& where);
  void check_fixed_pieces(const std::string& where) const;
  void index_pieces();
  int find(std::string_view piece) const;  // -1: not in the vocabulary
  void append_code_points(std::string_view text, std::vector<int>& ids) const;

  std::vector<std::string> pieces_;  // as in the file
  std::vector<std::string> texts_;   // what they decode to
  std::vector<float> scores_;
  std::unordered_map<std::string_view, int> ids_;
  PairMerges merges_;
};

}  // namespace anemone
