// The added tokens of a tokenizer.json: found in the text before the model sees it.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "anemone/data/hf_normalizer.h"
#include "anemone/data/json_node.h"
#include "anemone/data/token_model.h"

namespace anemone {

struct AddedToken {
  std::string content;
  int id = -1;
  std::string searched = {};            // what is looked for, and what it decodes to
  bool special = false;                 // gives no text
  bool normalized = false;              // is normalized itself, and looked for in normalized text
  bool single_word = false;             // not beside a word character
  bool lstrip = false, rstrip = false;  // takes the white space before it, behind it
};

// A stretch of a text: an added token, or what lies between two.
struct TextSection {
  size_t begin, end;
  int id;  // -1: text
};

class HfAddedTokens {
 public:
  // A token that `model` knows has its id there, any other the next one behind the vocabulary in
  // the order of the file: the ids that the file writes are not what counts.
  HfAddedTokens(const std::optional<JsonNode>& list, const TokenList& model,
                const HfNormalizer& normalizer);

  const std::vector<AddedToken>& tokens() const { return tokens_; }

  // Cuts `text` at the tokens that are looked for before (after) normalizing: the leftmost, and the
  // longest of one place.
  std::vector<TextSection> sections(std::string_view text, bool normalized) const;

 private:
  // By the first byte, longest first.
  using Index = std::vector<std::vector<const AddedToken*>>;

  void read(const JsonNode& list, const TokenList& model);
  void add(AddedToken token, const TokenList& model);
  static const AddedToken* find_at(const Index& index, std::string_view text);

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string, size_t> places_;  // in tokens_, by content
  int next_id_;
  Index raw_, normalized_;
};

}  // namespace anemone
