#include "anemone/base/utf8.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace anemone {
namespace {

bool is_continuation(char c) { return (c & 0xC0) == 0x80; }

}  // namespace

size_t character_bytes(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  const size_t bytes = first < 0x80   ? 1
                       : first < 0xC2 ? 0
                       : first < 0xE0 ? 2
                       : first < 0xF0 ? 3
                                      : 4;
  if (bytes == 0 || first > 0xF4 || text.size() < bytes) return 0;
  if (!std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(bytes),
                   is_continuation)) {
    return 0;
  }
  const auto second = static_cast<uint8_t>(bytes > 1 ? text[1] : 0);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second >= 0xA0;
  const bool too_large = first == 0xF4 && second >= 0x90;
  return overlong || surrogate || too_large ? 0 : bytes;
}

size_t unfinished_bytes(std::string_view text) {
  for (size_t bytes = 1; bytes <= std::min<size_t>(3, text.size()); ++bytes) {
    std::string end(text.substr(text.size() - bytes));
    if (is_continuation(end[0])) continue;
    // The smallest and the largest continuation: the second byte may be held to a part of them.
    for (char more : {'\x80', '\xBF'}) {
      std::string whole = end;
      while (whole.size() < 4) {
        whole += more;
        if (character_bytes(whole) == whole.size()) return bytes;
      }
    }
    return 0;
  }
  return 0;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = character_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

size_t whole_characters(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text.size();
  size_t end = limit;
  while (end > 0 && limit - end < 3 && is_continuation(text[end])) --end;
  return end > 0 && !is_continuation(text[end]) ? end : limit;
}

}  // namespace anemone
