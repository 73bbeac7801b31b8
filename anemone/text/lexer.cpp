#include "anemone/text/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace anemone {
namespace {

// Independent of the locale, unlike <cctype>.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

constexpr std::string_view kPunctuation = "()[]{}<>,=;?";
constexpr size_t kShownCharacters = 40;

bool continues_name(char c) { return is_letter(c) || is_digit(c) || c == '@' || c == '.'; }

}  // namespace

Token Lexer::next() {
  skip_blanks();
  Token token{TokenKind::kEnd, {}, location_};
  if (text_.empty()) return token;
  size_t length = 0;
  const char first = text_[0];
  if (is_letter(first)) {
    token.kind = TokenKind::kName;
    length = name_length();
  } else if (first == '"') {
    token.kind = TokenKind::kString;
    length = string_length();
  } else if ((length = punctuation_length()) > 0) {
    token.kind = TokenKind::kPunctuation;
  } else {
    token.kind = TokenKind::kNumber;
    length = number_length();
  }
  token.text = text_.substr(0, length);
  advance(length);
  return token;
}

void Lexer::skip_blanks() {
  while (!text_.empty()) {
    if (is_blank(text_[0])) {
      advance(1);
    } else if (text_.starts_with("//")) {
      advance(std::min(text_.find('\n'), text_.size()));
    } else {
      return;
    }
  }
}

void Lexer::advance(size_t count) {
  for (const char c : text_.substr(0, count)) {
    if (c == '\n') {
      ++location_.line;
      location_.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {  // not inside a UTF-8 character
      ++location_.column;
    }
  }
  text_.remove_prefix(count);
}

size_t Lexer::name_length() const {
  size_t length = 1;
  while (length < text_.size() && continues_name(text_[length])) ++length;
  return length;
}

size_t Lexer::number_length() const {
  const char first = text_[0];
  if (!is_digit(first) && first != '-' && first != '.') {
    const bool printable = first > ' ' && first <= '~';
    fail(where(location_), printable ? fmt::format("'{}' has no meaning here", first)
                                     : fmt::format("byte 0x{:02x} has no meaning here",
                                                   static_cast<unsigned char>(first)));
  }
  const std::string_view digits = text_.substr(first == '-' ? 1 : 0);
  const bool hexadecimal = digits.starts_with("0x") || digits.starts_with("0X");
  size_t length = 1;
  for (; length < text_.size(); ++length) {
    const char c = text_[length], before = text_[length - 1];
    const bool after_exponent = hexadecimal ? before == 'p' || before == 'P'  // "e" is a digit
                                            : before == 'e' || before == 'E';
    const bool sign = (c == '-' || c == '+') && after_exponent;
    if (!is_letter(c) && !is_digit(c) && c != '.' && !sign) break;
  }
  return length;
}

size_t Lexer::string_length() const {
  for (size_t i = 1; i < text_.size() && text_[i] != '\n'; ++i) {
    if (text_[i] == '"') return i + 1;
    if (text_[i] == '\\') ++i;
  }
  fail(where(location_), "the string has no closing quote on its line");
}

size_t Lexer::punctuation_length() const {
  if (text_.starts_with("->")) return 2;
  return kPunctuation.find(text_[0]) == std::string_view::npos ? 0 : 1;
}

std::string where(const SourceLocation& location) {
  return fmt::format("{}:{}", location.line, location.column);
}

std::string describe(const Token& token) {
  if (token.kind == TokenKind::kEnd) return "the end of the text";
  if (token.text.size() <= kShownCharacters) return fmt::format("'{}'", token.text);
  return fmt::format("'{}…'", token.text.substr(0, kShownCharacters));
}

std::string unescape(const Token& token) {
  const std::string_view text = token.text.substr(1, token.text.size() - 2);
  std::string content;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      content += text[i];
      continue;
    }
    const char escape = text[++i];
    constexpr std::string_view kEscapes = "\"\\ntr", kMeanings = "\"\\\n\t\r";
    const size_t known = kEscapes.find(escape);
    if (known != std::string_view::npos) {
      content += kMeanings[known];
      continue;
    }
    unsigned char byte = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (escape != 'x' || digits.size() != 2 || error != std::errc() || end != digits.data() + 2) {
      fail(where(token.location), fmt::format("the string has an unknown escape '\\{}'", escape),
           R"(known are \" \\ \n \t \r and \xHH)");
    }
    content += static_cast<char>(byte);
    i += 2;
  }
  return content;
}

std::string quote(std::string_view content) {
  std::string text = "\"";
  for (const char c : content) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      text += c;
    }
  }
  return text + '"';
}

bool is_name(std::string_view text) {
  if (text.empty() || !is_letter(text[0])) return false;
  for (const char c : text) {
    if (!continues_name(c)) return false;
  }
  return true;
}

}  // namespace anemone
