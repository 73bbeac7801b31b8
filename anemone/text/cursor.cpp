#include "anemone/text/cursor.h"

#include <fmt/format.h>

#include <utility>

namespace anemone {

Token Cursor::take() { return std::exchange(current_, lexer_.next()); }

bool Cursor::accept(std::string_view spelling) {
  if (!current_.is(spelling)) return false;
  take();
  return true;
}

Token Cursor::expect(std::string_view spelling) {
  if (!current_.is(spelling)) refuse(fmt::format("'{}'", spelling));
  return take();
}

Token Cursor::expect(TokenKind kind, std::string_view what) {
  if (current_.kind != kind) refuse(what);
  return take();
}

void Cursor::refuse(std::string_view what, std::string hint) const {
  fail(where(current_.location), fmt::format("expected {}, found {}", what, describe(current_)),
       std::move(hint));
}

}  // namespace anemone
