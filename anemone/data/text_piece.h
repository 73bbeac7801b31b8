// A part of a text on its way to token ids.
#pragma once

#include <string>

namespace anemone {

struct TextPiece {
  std::string text;       // valid UTF-8
  bool at_start = false;  // its first character stems from the first one of the whole text
};

}  // namespace anemone
