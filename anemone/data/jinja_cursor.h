// A place in the tokens of a Jinja template, for its parser.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anemone/data/jinja_lexer.h"
#include "anemone/data/jinja_parser.h"

namespace anemone {

class JinjaCursor {
 public:
  // Throws Error at `where`, which is borrowed, for what cannot be cut into tokens.
  JinjaCursor(std::string_view source, const std::string& where);

 protected:
  // A level of nested tags or brackets.
  struct Depth {
    explicit Depth(JinjaCursor& cursor);
    ~Depth() { --cursor.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    JinjaCursor& cursor;
  };
  // Counts the values of a chain without brackets: each is a level of the tree too.
  void lengthen(int& chain) const;

  const JinjaToken& peek(size_t ahead = 0) const;
  JinjaToken take();
  void skip(size_t tokens = 1) { at_ += tokens; }
  bool is_sign(std::string_view sign) const;
  bool is_name(std::string_view name, size_t ahead = 0) const;

  // Take the next token where it is this one.
  bool accept_sign(std::string_view sign);
  bool accept_name(std::string_view name);

  // Throw where the next token is another.
  void expect_sign(std::string_view sign);
  std::string expect_name();
  void expect_tag_end();

  [[noreturn]] void refuse(const std::string& message) const;

  // A node at the line of the next token.
  template <typename... Children>
  JinjaNode node(JinjaNode::Kind kind, Children... children) const {
    JinjaNode node;
    node.kind = kind;
    node.line = peek().line;
    node.children.reserve(sizeof...(children));
    (node.children.push_back(std::move(children)), ...);
    return node;
  }
  template <typename... Children>
  JinjaNode named(JinjaNode::Kind kind, std::string text, Children... children) const {
    JinjaNode result = node(kind, std::move(children)...);
    result.text = std::move(text);
    return result;
  }

 private:
  const std::string& where_;
  std::vector<JinjaToken> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace anemone
