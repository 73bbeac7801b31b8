// The text of ids that come one by one, in whole characters.
#pragma once

#include <string>

#include "anemone/data/tokenizer.h"

namespace anemone {

// Holds back bytes at the end that may still become a character. Bytes that cannot are passed on.
class StreamDecoder {
 public:
  // Borrows the tokenizer.
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // What `id` completes. Throws Error(kInvalidInput) for an id outside the vocabulary.
  std::string next(int id);

  // What was held back: the ids end in the middle of a character.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  DecodeState state_;
  std::string held_;
};

}  // namespace anemone
