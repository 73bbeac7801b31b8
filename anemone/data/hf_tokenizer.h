// Hugging Face's tokenizer.json.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "anemone/data/hf_added_tokens.h"
#include "anemone/data/hf_decoder.h"
#include "anemone/data/hf_normalizer.h"
#include "anemone/data/hf_pre_tokenizer.h"
#include "anemone/data/text_borders.h"
#include "anemone/data/token_model.h"
#include "anemone/data/tokenizer.h"

namespace anemone {

// Gives the ids of the `tokenizers` library; docs/tokenizers.md says what is read and where the two
// differ. Added tokens are cut out of the text, what lies between is normalized, cut by the
// pre-tokenizer and given to the model. Bytes that are not UTF-8 are read as U+FFFD. Decoding skips
// special tokens.
class HfTokenizer : public Tokenizer {
 public:
  // `file` is the whole content, `where` names it in errors. Throws Error naming the place in the
  // JSON for what is damaged or not understood.
  HfTokenizer(std::string_view file, const std::string& where, const NamedBorders& named = {});

  int vocab_size() const override { return static_cast<int>(tokens_.size()); }
  int bos() const override { return bos_; }
  int eos() const override { return eos_; }
  bool is_end(int id) const override;

  // `add_bos`: what the post-processor puts in front of a text. It need not be bos().
  std::vector<int> encode(std::string_view text, bool add_bos) const override;
  std::vector<int> encode_whole(std::string_view text) const override;

 protected:
  std::string_view piece(int id) const override { return texts_[static_cast<size_t>(id)]; }
  std::string text_of_next(DecodeState& state, int id) const override;

 private:
  class Encoding;
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using Words = std::unordered_map<std::string, std::vector<int>, Hash, std::equal_to<>>;

  HfTokenizer(const JsonNode& root, const NamedBorders& named);
  void collect_tokens();
  void find_borders(const JsonNode& root, const NamedBorders& named);
  int find(const std::string& token) const;  // -1: there is none

  HfNormalizer normalizer_;
  HfPreTokenizer pre_tokenizer_;
  std::unique_ptr<TokenModel> model_;
  HfAddedTokens added_;
  HfDecoder decoder_;
  std::vector<std::string> tokens_;  // by id; empty: a gap
  std::vector<std::string> texts_;   // what they decode to, but for the first one of a text
  std::vector<bool> skipped_;        // special tokens and gaps
  TextBorders around_;
  std::vector<int> ends_;
  int bos_ = -1, eos_ = -1;

  // The ids of words that have come. Who finds it taken goes without.
  mutable std::mutex words_mutex_;
  mutable Words words_;
};

}  // namespace anemone
