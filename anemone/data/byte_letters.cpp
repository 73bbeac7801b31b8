#include "anemone/data/byte_letters.h"

#include <array>
#include <cstdint>

#include "anemone/data/characters.h"

namespace anemone {
namespace {

constexpr size_t kLetters = 0x100 + 68;  // 68 bytes are not printable

struct Tables {
  std::array<std::string, 256> letters;
  std::array<int, kLetters> bytes;  // of a letter's point; -1: it stands for none

  Tables() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      const char32_t letter = printable ? static_cast<char32_t>(byte) : next++;
      append_character(letters[static_cast<size_t>(byte)], letter);
      bytes[letter] = byte;
    }
  }
};

const Tables& tables() {
  static const Tables all;
  return all;
}

}  // namespace

std::string letters_of_bytes(std::string_view bytes) {
  const auto& letters = tables().letters;
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 4);
  for (char byte : bytes) text += letters[static_cast<uint8_t>(byte)];
  return text;
}

std::string bytes_of_letters(std::string_view letters) {
  const auto& bytes = tables().bytes;
  std::string text;
  for (size_t at = 0; at < letters.size();) {
    const Character c = first_character(letters.substr(at));
    if (c.point >= kLetters || bytes[c.point] < 0) return std::string(letters);
    text += static_cast<char>(bytes[c.point]);
    at += c.bytes;
  }
  return text;
}

}  // namespace anemone
