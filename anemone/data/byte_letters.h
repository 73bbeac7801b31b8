// The letters that stand for bytes in byte-level vocabularies: every byte is a visible character.
#pragma once

#include <string>
#include <string_view>

namespace anemone {

// "Ġa" for " a": printable bytes of Latin-1 are themselves, the others U+0100 and on in order.
std::string letters_of_bytes(std::string_view bytes);

// The bytes again; `letters` itself, valid UTF-8, where any character stands for none.
std::string bytes_of_letters(std::string_view letters);

}  // namespace anemone
