#include "anemone/data/jinja_expression_parser.h"

#include <fmt/format.h>

#include <algorithm>

namespace anemone {
namespace {

using Kind = JinjaNode::Kind;
using TokenKind = JinjaToken::Kind;

}  // namespace

JinjaNode JinjaExpressionParser::expression() {
  const Depth depth(*this);
  JinjaNode value = or_expression();
  for (int chain = 0; accept_name("if"); lengthen(chain)) {
    JinjaNode condition = or_expression();
    JinjaNode otherwise = accept_name("else") ? expression() : node(Kind::kAbsent);
    value = node(Kind::kConditional, std::move(condition), std::move(value), std::move(otherwise));
  }
  return value;
}

JinjaNode JinjaExpressionParser::or_expression() {
  JinjaNode left = and_expression();
  for (int chain = 0; accept_name("or"); lengthen(chain)) {
    left = node(Kind::kOr, std::move(left), and_expression());
  }
  return left;
}

JinjaNode JinjaExpressionParser::and_expression() {
  JinjaNode left = not_expression();
  for (int chain = 0; accept_name("and"); lengthen(chain)) {
    left = node(Kind::kAnd, std::move(left), not_expression());
  }
  return left;
}

JinjaNode JinjaExpressionParser::not_expression() {
  const Depth depth(*this);
  if (accept_name("not")) return node(Kind::kNot, not_expression());
  return comparison();
}

// The sign of a comparison, taken; empty: there is none.
std::string JinjaExpressionParser::comparison_sign() {
  for (const char* sign : {"==", "!=", "<=", ">=", "<", ">"}) {
    if (accept_sign(sign)) return sign;
  }
  if (accept_name("in")) return "in";
  if (!is_name("not") || !is_name("in", 1)) return "";
  skip(2);
  return "not in";
}

JinjaNode JinjaExpressionParser::comparison() {
  JinjaNode all = node(Kind::kCompare, sum());
  for (std::string sign = comparison_sign(); !sign.empty(); sign = comparison_sign()) {
    all.names.push_back(sign);
    all.children.push_back(sum());
  }
  return all.names.empty() ? std::move(all.children[0]) : std::move(all);
}

// Operands of the next level with one of `signs` between them.
JinjaNode JinjaExpressionParser::left_to_right(Level next,
                                               std::initializer_list<std::string_view> signs) {
  JinjaNode left = (this->*next)();
  for (int chain = 0;; lengthen(chain)) {
    const auto sign =
        std::find_if(signs.begin(), signs.end(), [&](auto text) { return accept_sign(text); });
    if (sign == signs.end()) return left;
    left = named(Kind::kBinary, std::string(*sign), std::move(left), (this->*next)());
  }
}

JinjaNode JinjaExpressionParser::sum() {
  return left_to_right(&JinjaExpressionParser::concatenation, {"+", "-"});
}

JinjaNode JinjaExpressionParser::concatenation() {
  return left_to_right(&JinjaExpressionParser::product, {"~"});
}

JinjaNode JinjaExpressionParser::product() {
  return left_to_right(&JinjaExpressionParser::unary, {"*", "/", "//", "%", "**"});
}

JinjaNode JinjaExpressionParser::unary() { return filters(signed_value()); }

JinjaNode JinjaExpressionParser::signed_value() {
  const Depth depth(*this);
  if (accept_sign("-")) return node(Kind::kNegative, signed_value());
  return postfix(primary());
}

JinjaNode JinjaExpressionParser::filters(JinjaNode value) {
  for (int chain = 0;; lengthen(chain)) {
    if (accept_sign("|")) {
      value = named(Kind::kFilter, expect_name(), std::move(value));
      if (accept_sign("(")) arguments(value);
    } else if (accept_name("is")) {
      value = test(std::move(value));
    } else if (accept_sign("(")) {
      value = node(Kind::kCall, std::move(value));
      arguments(value);
    } else {
      return value;
    }
  }
}

JinjaNode JinjaExpressionParser::test(JinjaNode value) {
  const bool negated = accept_name("not");
  JinjaNode test = named(Kind::kTest, expect_name(), std::move(value));
  if (accept_sign("(")) {
    arguments(test);
  } else if (begins_argument()) {
    test.children.push_back(postfix(primary()));
    test.names.emplace_back();
  }
  if (is_name("is")) refuse("a test of a test is not read");
  return negated ? node(Kind::kNot, std::move(test)) : std::move(test);
}

// Whether a value stands behind the name of a test, without parentheses. Jinja takes "if" and
// "in" there for names of variables too.
bool JinjaExpressionParser::begins_argument() const {
  if (peek().kind == TokenKind::kString || peek().kind == TokenKind::kInteger) return true;
  if (is_sign("[") || is_sign("{")) return true;
  if (peek().kind != TokenKind::kName) return false;
  return !is_name("else") && !is_name("or") && !is_name("and") && !is_name("is");
}

// Behind "(": those of `call`.
void JinjaExpressionParser::arguments(JinjaNode& call) {
  while (!accept_sign(")")) {
    const bool named =
        peek().kind == TokenKind::kName && peek(1).kind == TokenKind::kSign && peek(1).text == "=";
    call.names.push_back(named ? take().text : "");
    skip(named ? 1 : 0);
    if (is_sign("*") || is_sign("**")) refuse("an unpacked argument is not read");
    call.children.push_back(expression());
    if (!is_sign(")")) expect_sign(",");
  }
}

JinjaNode JinjaExpressionParser::postfix(JinjaNode value) {
  for (int chain = 0;; lengthen(chain)) {
    if (accept_sign(".")) {
      if (peek().kind == TokenKind::kInteger) refuse("a number as an attribute is not read");
      value = named(Kind::kAttribute, expect_name(), std::move(value));
    } else if (accept_sign("[")) {
      value = subscript(std::move(value));
    } else if (accept_sign("(")) {
      value = node(Kind::kCall, std::move(value));
      arguments(value);
    } else {
      return value;
    }
  }
}

JinjaNode JinjaExpressionParser::subscript(JinjaNode value) {
  const auto part = [&] {
    return is_sign(":") || is_sign("]") ? node(Kind::kAbsent) : expression();
  };
  JinjaNode begin = part();
  if (!accept_sign(":")) {
    expect_sign("]");
    if (begin.kind == Kind::kAbsent) refuse("\"[]\" has no key");
    return node(Kind::kItem, std::move(value), std::move(begin));
  }
  JinjaNode end = part();
  JinjaNode step = accept_sign(":") ? part() : node(Kind::kAbsent);
  expect_sign("]");
  return node(Kind::kSlice, std::move(value), std::move(begin), std::move(end), std::move(step));
}

JinjaNode JinjaExpressionParser::literal(JinjaValue value) const {
  JinjaNode literal = node(Kind::kLiteral);
  literal.value = std::move(value);
  return literal;
}

JinjaNode JinjaExpressionParser::primary() {
  const JinjaToken token = take();
  if (token.kind == TokenKind::kString) {
    std::string text = token.text;
    while (peek().kind == TokenKind::kString) text += take().text;
    return literal(JinjaValue(std::move(text)));
  }
  if (token.kind == TokenKind::kInteger) {
    if (is_sign(".") && peek(1).kind == TokenKind::kInteger) refuse("a fraction is not read");
    return literal(JinjaValue(static_cast<int64_t>(std::stoll(token.text))));
  }
  if (token.kind == TokenKind::kName) return name(token.text);
  if (token.text == "(") return parenthesis();
  if (token.text == "[") return elements(Kind::kList, "]");
  if (token.text == "{") return elements(Kind::kDictionary, "}");
  refuse(token.text.empty() ? "a value is expected"
                            : fmt::format("a value is expected before \"{}\"", token.text));
}

JinjaNode JinjaExpressionParser::name(const std::string& name) const {
  if (name == "true" || name == "True") return literal(JinjaValue(true));
  if (name == "false" || name == "False") return literal(JinjaValue(false));
  if (name == "none" || name == "None") return literal(JinjaValue::none());
  return named(Kind::kName, name);
}

// Behind "(": one value, or a tuple, which is as good as a list.
JinjaNode JinjaExpressionParser::parenthesis() {
  if (is_sign(")")) return elements(Kind::kList, ")");
  JinjaNode first = expression();
  if (accept_sign(")")) return first;
  expect_sign(",");
  JinjaNode all = elements(Kind::kList, ")");
  all.children.insert(all.children.begin(), std::move(first));
  return all;
}

JinjaNode JinjaExpressionParser::elements(Kind kind, std::string_view end) {
  JinjaNode all = node(kind);
  while (!accept_sign(end)) {
    all.children.push_back(expression());
    if (kind == Kind::kDictionary) {
      expect_sign(":");
      all.children.push_back(expression());
    }
    if (!is_sign(end)) expect_sign(",");
  }
  return all;
}

}  // namespace anemone
