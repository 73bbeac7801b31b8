// What a tokenizer.json searches for: a string, or a regular expression.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/data/json_node.h"
#include "anemone/data/text_piece.h"

namespace anemone {

// A stretch of a text: a match, or what lies between two.
struct Stretch {
  size_t begin, end;
  bool matches;
};

// What becomes of the matches that cut a text.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

SplitBehavior split_behavior(const JsonNode& name);

// Compiled once; safe to use from several threads at once.
class TextPattern {
 public:
  // Reads {"String": ...} or {"Regex": ...}. Throws Error for one that is not understood.
  explicit TextPattern(const JsonNode& pattern);
  static TextPattern of_regex(const JsonNode& regex);

  // All of `text`, valid UTF-8, in order. An empty match is a stretch too.
  std::vector<Stretch> stretches(std::string_view text) const;

 private:
  struct Compiled;
  TextPattern() = default;
  void compile(const JsonNode& regex);
  std::vector<Stretch> literal_stretches(std::string_view text) const;

  std::string literal_;
  std::shared_ptr<const Compiled> compiled_;  // null: literal_ is searched for
};

// The stretches where characters of one kind stand: each its own.
std::vector<Stretch> stretches_of(std::string_view text, bool (*is_match)(char32_t));

// Appends the pieces of `piece`, cut at `stretches`, which are all of it. Empty ones are left out.
void split(const TextPiece& piece, std::vector<Stretch> stretches, SplitBehavior behavior,
           std::vector<TextPiece>& pieces);

}  // namespace anemone
