// The expressions of Jinja: a recursive descent with its precedences.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "anemone/data/jinja_cursor.h"

namespace anemone {

class JinjaExpressionParser : public JinjaCursor {
 public:
  using JinjaCursor::JinjaCursor;

 protected:
  JinjaNode expression();
  JinjaNode or_expression();  // one without "if"
  JinjaNode literal(JinjaValue value) const;

 private:
  // The looser first: a filter or test binds closer than any sign.
  JinjaNode and_expression();
  JinjaNode not_expression();
  std::string comparison_sign();
  JinjaNode comparison();
  using Level = JinjaNode (JinjaExpressionParser::*)();
  JinjaNode left_to_right(Level next, std::initializer_list<std::string_view> signs);
  JinjaNode sum();
  JinjaNode concatenation();
  JinjaNode product();
  JinjaNode unary();
  JinjaNode signed_value();
  JinjaNode filters(JinjaNode value);
  JinjaNode test(JinjaNode value);
  bool begins_argument() const;
  void arguments(JinjaNode& call);
  JinjaNode postfix(JinjaNode value);
  JinjaNode subscript(JinjaNode value);
  JinjaNode primary();
  JinjaNode name(const std::string& name) const;
  JinjaNode parenthesis();
  JinjaNode elements(JinjaNode::Kind kind, std::string_view end);
};

}  // namespace anemone
