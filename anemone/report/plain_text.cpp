#include "anemone/report/plain_text.h"

#include <algorithm>
#include <cctype>

namespace anemone {
namespace {

using Byte = unsigned char;

bool continues(char c) { return (static_cast<Byte>(c) & 0xC0) == 0x80; }

// Bytes of the character at the start of `text`; 0 where none begins there.
size_t character_bytes(std::string_view text) {
  const auto first = static_cast<Byte>(text[0]);
  const size_t size = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (first >= 0xF5 || size == 0 || size > text.size()) return 0;
  if (!std::all_of(text.begin() + 1, text.begin() + size, continues)) return 0;
  const Byte second = size > 1 ? static_cast<Byte>(text[1]) : 0;
  // Longer than needed, halves of pairs, and beyond the last character.
  const bool wrong = (first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0) ||
                     (first == 0xF0 && second < 0x90) || (first == 0xF4 && second >= 0x90);
  return wrong ? 0 : size;
}

// Control characters, among them those of two bytes and those that turn the direction of writing.
bool is_control(std::string_view character) {
  const auto first = static_cast<Byte>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  if (character.size() == 2) return first == 0xC2 && static_cast<Byte>(character[1]) < 0xA0;
  const std::string_view turns[] = {"\u200E", "\u200F", "\u2028", "\u2029", "\u202A",
                                    "\u202B", "\u202C", "\u202D", "\u202E", "\u2066",
                                    "\u2067", "\u2068", "\u2069"};
  return std::find(std::begin(turns), std::end(turns), character) != std::end(turns);
}

}  // namespace

std::string clean_text(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const size_t size = character_bytes(text);
    const std::string_view character = text.substr(0, std::max<size_t>(size, 1));
    if (size == 0) {
      clean += '?';
    } else if (is_control(character)) {
      clean += ' ';
    } else {
      clean += character;
    }
    text.remove_prefix(character.size());
  }
  return clean;
}

size_t text_width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

std::string shortened(std::string_view text, size_t limit) {
  std::string clean = clean_text(text);
  if (text_width(clean) <= limit) return clean;
  size_t end = 0;
  for (size_t left = limit; end < clean.size(); ++end) {
    if (!continues(clean[end]) && left-- == 0) break;
  }
  return clean.substr(0, end) + "…";
}

std::string escape_html(std::string_view text) {
  std::string html;
  for (const char c : clean_text(text)) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string escape_markdown(std::string_view text) {
  std::string markdown;
  for (const char c : clean_text(text)) {
    if (c == '<') {
      markdown += "&lt;";
      continue;
    }
    if (std::string_view("\\`*|[&#!~").find(c) != std::string_view::npos) markdown += '\\';
    markdown += c;
  }
  return markdown;
}

std::string shell_word(std::string_view text) {
  const std::string clean = clean_text(text);
  const bool simple = !clean.empty() && std::all_of(clean.begin(), clean.end(), [](char c) {
    return std::isalnum(static_cast<Byte>(c)) != 0 ||
           std::string_view("._/:+,=@%-").find(c) != std::string_view::npos;
  });
  if (simple) return clean;
  std::string quoted = "'";
  for (const char c : clean) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace anemone
