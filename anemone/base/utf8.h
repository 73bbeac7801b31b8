// Characters of UTF-8 in texts of unknown origin.
#pragma once

#include <cstddef>
#include <string_view>

namespace anemone {

// Whether all of it is UTF-8: no broken or overlong sequences, surrogates, or points above 10FFFF.
bool is_valid_utf8(std::string_view text);

// Bytes of the character at the beginning of `text`, which is not empty; 0: it is none.
size_t character_bytes(std::string_view text);

// Bytes at the end of `text` that begin a character which more bytes could complete; 0: none.
size_t unfinished_bytes(std::string_view text);

// Bytes of the longest beginning of at most `limit` bytes that cuts no character in two; `limit`
// itself where the text is not UTF-8 there.
size_t whole_characters(std::string_view text, size_t limit);

}  // namespace anemone
