// Splits MIL text into tokens.
#pragma once

#include <string>
#include <string_view>

#include "anemone/ir/program.h"

namespace anemone {

enum class TokenKind : uint8_t {
  kName,         // letter or "_", then letters, digits, "_", "@" and "."
  kNumber,       // begins with a digit, "-" or "."; not checked any further
  kString,       // with its quotes and escapes
  kPunctuation,  // one of ( ) [ ] { } < > , = ; ? and ->
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;  // a part of the text that was given to the lexer
  SourceLocation location;

  // A string never equals a spelling, because of its quotes.
  bool is(std::string_view spelling) const { return text == spelling; }
};

// White space and comments from "//" to the end of the line are skipped. Lines and columns count
// from 1; a column is one UTF-8 character.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  // kEnd for ever once the text is used up. Throws on what begins no token.
  Token next();

 private:
  void skip_blanks();
  void advance(size_t count);
  size_t name_length() const;
  size_t number_length() const;
  size_t string_length() const;
  size_t punctuation_length() const;

  std::string_view text_;  // what is left
  SourceLocation location_{1, 1};
};

// The place as errors name it: "3:14".
std::string where(const SourceLocation& location);

// "'relu'", shortened if it is long, or "the end of the text".
std::string describe(const Token& token);

// The content of a kString token. Known escapes: \" \\ \n \t \r and \xHH.
std::string unescape(const Token& token);
// With quotes, as `unescape` reads it.
std::string quote(std::string_view content);

// Whether the whole of `text` is one kName token.
bool is_name(std::string_view text);

}  // namespace anemone
