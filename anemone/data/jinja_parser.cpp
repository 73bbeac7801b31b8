#include "anemone/data/jinja_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "anemone/data/jinja_expression_parser.h"

namespace anemone {
namespace {

using Kind = JinjaNode::Kind;
using TokenKind = JinjaToken::Kind;

class Parser : private JinjaExpressionParser {
 public:
  using JinjaExpressionParser::JinjaExpressionParser;

  JinjaNode template_tree() {
    JinjaNode tree = block({});
    if (peek().kind != TokenKind::kEnd) refuse("the tag ends nothing");
    return tree;
  }

 private:
  bool at_tag(std::initializer_list<std::string_view> names) const {
    return peek().kind == TokenKind::kBlockBegin &&
           std::any_of(names.begin(), names.end(),
                       [&](std::string_view name) { return is_name(name, 1); });
  }

  // Up to a tag of `ends`, which is not taken.
  JinjaNode block(std::initializer_list<std::string_view> ends) {
    const Depth depth(*this);
    JinjaNode block = node(Kind::kBlock);
    while (peek().kind != TokenKind::kEnd && !at_tag(ends)) {
      if (peek().kind == TokenKind::kText) {
        JinjaNode text = node(Kind::kText);
        text.text = take().text;
        block.children.push_back(std::move(text));
      } else if (peek().kind == TokenKind::kPrintBegin) {
        skip();
        block.children.push_back(node(Kind::kPrint, expression()));
        if (take().kind != TokenKind::kPrintEnd) refuse("\"}}\" is expected");
      } else {
        skip();
        block.children.push_back(statement());
      }
    }
    if (ends.size() > 0 && peek().kind == TokenKind::kEnd) {
      refuse(fmt::format("the tag \"{}\" is missing", *(ends.end() - 1)));
    }
    return block;
  }

  // A block and the tag behind it.
  JinjaNode block_and_end(std::string_view end) {
    JinjaNode inner = block({end});
    skip(2);
    expect_tag_end();
    return inner;
  }

  JinjaNode statement() {
    const std::string tag = expect_name();
    if (tag == "if") return if_statement();
    if (tag == "for") return for_statement();
    if (tag == "set") return set_statement();
    if (tag == "macro") return macro_statement();
    if (tag == "generation") {  // marks the model's part for training, and prints it
      expect_tag_end();
      return block_and_end("endgeneration");
    }
    if (tag == "break" || tag == "continue") {
      JinjaNode jump = node(tag == "break" ? Kind::kBreak : Kind::kContinue);
      expect_tag_end();
      return jump;
    }
    refuse(fmt::format("the tag \"{}\" is not read", tag));
  }

  JinjaNode if_statement() {
    JinjaNode all = node(Kind::kIf);
    for (;;) {
      all.children.push_back(expression());
      expect_tag_end();
      all.children.push_back(block({"elif", "else", "endif"}));
      skip();
      if (accept_name("elif")) continue;
      if (accept_name("endif")) break;
      skip();
      expect_tag_end();
      all.children.push_back(block({"endif"}));
      skip(2);
      break;
    }
    expect_tag_end();
    return all;
  }

  JinjaNode for_statement() {
    JinjaNode loop = node(Kind::kFor);
    do {
      loop.names.push_back(expect_name());
    } while (accept_sign(","));
    if (!accept_name("in")) refuse("\"in\" is expected");
    loop.children.push_back(or_expression());
    loop.children.push_back(accept_name("if") ? expression() : node(Kind::kAbsent));
    expect_tag_end();
    loop.children.push_back(block({"else", "endfor"}));
    skip();
    JinjaNode otherwise = node(Kind::kBlock);
    if (!accept_name("endfor")) {
      skip();
      expect_tag_end();
      otherwise = block({"endfor"});
      skip(2);
    }
    loop.children.push_back(std::move(otherwise));
    expect_tag_end();
    return loop;
  }

  JinjaNode set_statement() {
    JinjaNode set = node(Kind::kSet);
    set.names.push_back(expect_name());
    if (accept_sign(".")) set.names.push_back(expect_name());
    if (accept_sign("=")) {
      set.children.push_back(expression());
      expect_tag_end();
      return set;
    }
    set.kind = Kind::kCapture;
    expect_tag_end();
    set.children.push_back(block_and_end("endset"));
    return set;
  }

  JinjaNode macro_statement() {
    JinjaNode macro = named(Kind::kMacro, expect_name(), node(Kind::kBlock));
    expect_sign("(");
    while (!accept_sign(")")) {
      macro.names.push_back(expect_name());
      macro.children.push_back(accept_sign("=") ? expression() : node(Kind::kAbsent));
      if (!is_sign(")")) expect_sign(",");
    }
    expect_tag_end();
    macro.children[0] = block_and_end("endmacro");
    return macro;
  }
};

}  // namespace

JinjaNode parse_jinja(std::string_view source, const std::string& where) {
  return Parser(source, where).template_tree();
}

}  // namespace anemone
