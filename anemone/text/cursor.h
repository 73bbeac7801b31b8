// Walks over the tokens of a text, and says what was expected where something else stands.
#pragma once

#include "anemone/text/lexer.h"

namespace anemone {

class Cursor {
 public:
  explicit Cursor(std::string_view text) : lexer_(text), current_(lexer_.next()) {}

  const Token& peek() const { return current_; }
  // The token after the current one.
  Token peek_next() const { return Lexer(lexer_).next(); }

  Token take();
  // Takes the current token if it is spelled so.
  bool accept(std::string_view spelling);
  Token expect(std::string_view spelling);
  // `what` completes "expected …": "a value's name".
  Token expect(TokenKind kind, std::string_view what);

  // item {"," item} close, or just close.
  template <typename ParseItem>
  void parse_list(std::string_view close, ParseItem&& parse_item) {
    if (accept(close)) return;
    do parse_item();
    while (accept(","));
    if (!accept(close)) refuse("',' or '" + std::string(close) + "'");
  }

  // Throws "expected `what`, found …" at the current token.
  [[noreturn]] void refuse(std::string_view what, std::string hint = "") const;

 private:
  Lexer lexer_;
  Token current_;
};

}  // namespace anemone
