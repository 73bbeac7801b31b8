// The decoders of a tokenizer.json: the text of tokens, one after another.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "anemone/data/json_node.h"

namespace anemone {

// Sequence, ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip. A byte token gives its byte,
// whole character or not: what does not end one stays as it is, and destroys none before it.
class HfDecoder {
 public:
  // Nothing: tokens with blanks between. Throws Error for what is not understood, and for what
  // would need the text that follows.
  explicit HfDecoder(const std::optional<JsonNode>& json);

  // The text of a token; that of the first one of a text may be another.
  std::string text(std::string token, bool first) const;
  bool first_differs() const { return first_differs_; }

  // Drops what decoding drops at the beginning of a whole text, from the next part of it;
  // `dropped` counts through the parts.
  void drop_beginning(std::string& text, int& dropped) const;

 private:
  using Step = std::function<void(std::string& token, bool first)>;
  void add(const JsonNode& json);
  void add_strip(const JsonNode& json);
  static Step metaspace(const JsonNode& json);
  static Step replace(const JsonNode& json);

  std::vector<Step> steps_;
  bool first_differs_ = false;
  bool fused_ = false;     // what follows works on the whole text
  std::string beginning_;  // the character that a text may lose at its beginning
  int most_dropped_ = 0;
};

}  // namespace anemone
