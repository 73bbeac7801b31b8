#include "anemone/data/jinja_cursor.h"

#include <fmt/format.h>

#include <algorithm>

namespace anemone {
namespace {

using TokenKind = JinjaToken::Kind;

constexpr int kDeepest = 100;  // of nested tags and brackets
constexpr int kLongest = 200;  // of values joined by signs without brackets

}  // namespace

JinjaCursor::JinjaCursor(std::string_view source, const std::string& where)
    : where_(where), tokens_(lex_jinja(source, where)) {}

JinjaCursor::Depth::Depth(JinjaCursor& given) : cursor(given) {
  if (++cursor.depth_ > kDeepest) cursor.refuse("it is nested too deeply");
}

void JinjaCursor::lengthen(int& chain) const {
  if (++chain > kLongest) refuse("the expression is too long");
}

const JinjaToken& JinjaCursor::peek(size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

JinjaToken JinjaCursor::take() {
  JinjaToken token = peek();
  ++at_;
  return token;
}

bool JinjaCursor::is_sign(std::string_view sign) const {
  return peek().kind == TokenKind::kSign && peek().text == sign;
}

bool JinjaCursor::is_name(std::string_view name, size_t ahead) const {
  return peek(ahead).kind == TokenKind::kName && peek(ahead).text == name;
}

bool JinjaCursor::accept_sign(std::string_view sign) {
  const bool found = is_sign(sign);
  at_ += found ? 1 : 0;
  return found;
}

bool JinjaCursor::accept_name(std::string_view name) {
  const bool found = is_name(name);
  at_ += found ? 1 : 0;
  return found;
}

void JinjaCursor::expect_sign(std::string_view sign) {
  if (!accept_sign(sign)) refuse(fmt::format("\"{}\" is expected", sign));
}

std::string JinjaCursor::expect_name() {
  if (peek().kind != TokenKind::kName) refuse("a name is expected");
  return take().text;
}

void JinjaCursor::expect_tag_end() {
  if (peek().kind != TokenKind::kBlockEnd) refuse("the tag should end");
  ++at_;
}

void JinjaCursor::refuse(const std::string& message) const {
  fail_at_line(where_, peek().line, message);
}

}  // namespace anemone
