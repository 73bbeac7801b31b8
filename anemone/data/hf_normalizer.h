// The normalizers of a tokenizer.json: what a text becomes before it is cut.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "anemone/data/json_node.h"
#include "anemone/data/text_piece.h"

namespace anemone {

// Sequence, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, Replace, Nmt, ByteLevel.
class HfNormalizer {
 public:
  // Nothing: texts stay as they are. Throws Error for what is not understood.
  explicit HfNormalizer(const std::optional<JsonNode>& json);

  void apply(TextPiece& piece) const;

 private:
  using Step = std::function<void(TextPiece&)>;
  void add(const JsonNode& json);
  static Step strip(const JsonNode& json);
  static Step prepend(const JsonNode& json);
  static Step replace(const JsonNode& json);

  std::vector<Step> steps_;
};

}  // namespace anemone
