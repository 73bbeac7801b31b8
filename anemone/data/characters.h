// Unicode characters of UTF-8 texts: what tokenizer.json means by blank, digit, word, lower case.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace anemone {

// The character at the beginning of valid UTF-8 that is not empty, and its bytes.
struct Character {
  char32_t point;
  size_t bytes;
};
Character first_character(std::string_view text);
Character last_character(std::string_view text);

void append_character(std::string& text, char32_t point);

// `text` with U+FFFD for every byte that is not part of a whole character.
std::string valid_utf8(std::string_view text);

bool is_ascii(std::string_view text);

// The property White_Space: U+0085, U+00A0 and U+3000 have it, U+200B and U+FEFF do not.
bool is_white_space(char32_t point);
bool is_number(char32_t point);       // Nd, Nl, No
bool is_punctuation(char32_t point);  // P*, and all of ASCII's signs
bool is_mark(char32_t point);         // M*: what StripAccents drops
// Alphabetic, marks, decimal digits, connectors, joiners: \w of Rust's regex.
bool is_word_character(char32_t point);

// Lower case character by character: no final sigma, U+0130 becomes two.
std::string lowercase(std::string_view text);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// The form by the tables of Unicode 9: later characters stay as they are.
std::string normalize(std::string_view text, NormalForm form);

}  // namespace anemone
