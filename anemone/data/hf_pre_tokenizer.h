// The pre-tokenizers of a tokenizer.json: where a text is cut before the model sees it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "anemone/data/json_node.h"
#include "anemone/data/text_piece.h"

namespace anemone {

// Sequence, ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit,
// CharDelimiterSplit, BertPreTokenizer.
class HfPreTokenizer {
 public:
  // Nothing: texts stay whole. Throws Error for what is not understood.
  explicit HfPreTokenizer(const std::optional<JsonNode>& json);

  // Cuts every piece further.
  void apply(std::vector<TextPiece>& pieces) const;

 private:
  using Pieces = std::vector<TextPiece>;
  // Appends the pieces of one.
  using Step = std::function<void(TextPiece&, Pieces&)>;
  void add(const JsonNode& json);
  static Step byte_level(const JsonNode& json);
  static Step split_step(const JsonNode& json);
  static Step metaspace(const JsonNode& json);
  static Step digits(const JsonNode& json);
  static Step punctuation(const JsonNode& json);
  static Step whitespace(const JsonNode& json);
  static Step whitespace_split(const JsonNode& json);
  static Step delimiter(const JsonNode& json);
  static Step bert(const JsonNode& json);

  std::vector<Step> steps_;
};

// How the texts that Metaspace marks begin.
enum class PrependScheme { kAlways, kFirst, kNever };

// Of a Metaspace pre-tokenizer or decoder, by the older add_prefix_space too.
PrependScheme prepend_scheme(const JsonNode& metaspace);

}  // namespace anemone
