#include "anemone/data/jinja_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "anemone/data/jinja_lexer.h"

namespace anemone {
namespace {

using Kind = JinjaNode::Kind;
using TokenKind = JinjaToken::Kind;

constexpr int kDeepest = 100;  // of nested tags and brackets
constexpr int kLongest = 200;  // of values joined by signs without brackets

// A recursive descent with Jinja's precedences: a filter or test binds closer than any sign.
class Parser {
 public:
  Parser(std::string_view source, const std::string& where)
      : where_(where), tokens_(lex_jinja(source, where)) {}

  JinjaNode template_tree() {
    JinjaNode tree = block({});
    if (peek().kind != TokenKind::kEnd) refuse("the tag ends nothing");
    return tree;
  }

 private:
  struct Depth {
    explicit Depth(Parser& parser) : parser(parser) {
      if (++parser.depth_ > kDeepest) parser.refuse("it is nested too deeply");
    }
    ~Depth() { --parser.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Parser& parser;
  };

  // --- tokens ---

  const JinjaToken& peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  JinjaToken take() {
    JinjaToken token = peek();
    ++at_;
    return token;
  }
  bool is_sign(std::string_view sign) const {
    return peek().kind == TokenKind::kSign && peek().text == sign;
  }
  bool is_name(std::string_view name, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kName && peek(ahead).text == name;
  }
  bool accept_sign(std::string_view sign) {
    const bool found = is_sign(sign);
    at_ += found ? 1 : 0;
    return found;
  }
  bool accept_name(std::string_view name) {
    const bool found = is_name(name);
    at_ += found ? 1 : 0;
    return found;
  }
  [[noreturn]] void refuse(const std::string& message) const {
    fail_at_line(where_, peek().line, message);
  }
  void expect_sign(std::string_view sign) {
    if (!accept_sign(sign)) refuse(fmt::format("\"{}\" is expected", sign));
  }
  std::string expect_name() {
    if (peek().kind != TokenKind::kName) refuse("a name is expected");
    return take().text;
  }
  // Counts the values of a chain: each is a level of the tree.
  void lengthen(int& chain) const {
    if (++chain > kLongest) refuse("the expression is too long");
  }
  void expect_tag_end() {
    if (peek().kind != TokenKind::kBlockEnd) refuse("the tag should end");
    ++at_;
  }

  JinjaNode node(Kind kind, std::vector<JinjaNode> children = {}, std::string text = "") const {
    return {.kind = kind,
            .line = peek().line,
            .text = std::move(text),
            .children = std::move(children)};
  }

  // --- statements ---

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
        ++at_;
        block.children.push_back(node(Kind::kPrint, {expression()}));
        if (take().kind != TokenKind::kPrintEnd) refuse("\"}}\" is expected");
      } else {
        ++at_;
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
    at_ += 2;
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
      ++at_;
      if (accept_name("elif")) continue;
      if (accept_name("endif")) break;
      ++at_;
      expect_tag_end();
      all.children.push_back(block({"endif"}));
      at_ += 2;
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
    ++at_;
    JinjaNode otherwise = node(Kind::kBlock);
    if (!accept_name("endfor")) {
      ++at_;
      expect_tag_end();
      otherwise = block({"endfor"});
      at_ += 2;
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
    JinjaNode macro = node(Kind::kMacro, {node(Kind::kBlock)}, expect_name());
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

  // --- expressions, the loosest first ---

  JinjaNode expression() {
    const Depth depth(*this);
    JinjaNode value = or_expression();
    for (int chain = 0; accept_name("if"); lengthen(chain)) {
      JinjaNode condition = or_expression();
      JinjaNode otherwise = accept_name("else") ? expression() : node(Kind::kAbsent);
      value =
          node(Kind::kConditional, {std::move(condition), std::move(value), std::move(otherwise)});
    }
    return value;
  }

  JinjaNode or_expression() {
    JinjaNode left = and_expression();
    for (int chain = 0; accept_name("or"); lengthen(chain)) {
      left = node(Kind::kOr, {std::move(left), and_expression()});
    }
    return left;
  }

  JinjaNode and_expression() {
    JinjaNode left = not_expression();
    for (int chain = 0; accept_name("and"); lengthen(chain)) {
      left = node(Kind::kAnd, {std::move(left), not_expression()});
    }
    return left;
  }

  JinjaNode not_expression() {
    const Depth depth(*this);
    if (accept_name("not")) return node(Kind::kNot, {not_expression()});
    return comparison();
  }

  // The sign of a comparison, taken; empty: there is none.
  std::string comparison_sign() {
    for (const char* sign : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (accept_sign(sign)) return sign;
    }
    if (accept_name("in")) return "in";
    if (!is_name("not") || !is_name("in", 1)) return "";
    at_ += 2;
    return "not in";
  }

  JinjaNode comparison() {
    JinjaNode all = node(Kind::kCompare, {sum()});
    for (std::string sign = comparison_sign(); !sign.empty(); sign = comparison_sign()) {
      all.names.push_back(sign);
      all.children.push_back(sum());
    }
    return all.names.empty() ? std::move(all.children[0]) : std::move(all);
  }

  using Level = JinjaNode (Parser::*)();

  // Operands of the next level with one of `signs` between them.
  JinjaNode left_to_right(Level next, std::initializer_list<std::string_view> signs) {
    JinjaNode left = (this->*next)();
    for (int chain = 0;; lengthen(chain)) {
      const auto sign =
          std::find_if(signs.begin(), signs.end(), [&](auto text) { return accept_sign(text); });
      if (sign == signs.end()) return left;
      left = node(Kind::kBinary, {std::move(left), (this->*next)()}, std::string(*sign));
    }
  }

  JinjaNode sum() { return left_to_right(&Parser::concatenation, {"+", "-"}); }
  JinjaNode concatenation() { return left_to_right(&Parser::product, {"~"}); }
  JinjaNode product() { return left_to_right(&Parser::unary, {"*", "/", "//", "%", "**"}); }

  JinjaNode unary() { return filters(signed_value()); }

  JinjaNode signed_value() {
    const Depth depth(*this);
    if (accept_sign("-")) return node(Kind::kNegative, {signed_value()});
    return postfix(primary());
  }

  JinjaNode filters(JinjaNode value) {
    for (int chain = 0;; lengthen(chain)) {
      if (accept_sign("|")) {
        value = node(Kind::kFilter, {std::move(value)}, expect_name());
        if (accept_sign("(")) arguments(value);
      } else if (accept_name("is")) {
        value = test(std::move(value));
      } else if (accept_sign("(")) {
        value = node(Kind::kCall, {std::move(value)});
        arguments(value);
      } else {
        return value;
      }
    }
  }

  JinjaNode test(JinjaNode value) {
    const bool negated = accept_name("not");
    JinjaNode test = node(Kind::kTest, {std::move(value)}, expect_name());
    if (accept_sign("(")) {
      arguments(test);
    } else if (begins_argument()) {
      test.children.push_back(postfix(primary()));
      test.names.emplace_back();
    }
    if (is_name("is")) refuse("a test of a test is not read");
    return negated ? node(Kind::kNot, {std::move(test)}) : std::move(test);
  }

  // Whether a value stands behind the name of a test, without parentheses. Jinja takes "if" and
  // "in" there for names of variables too.
  bool begins_argument() const {
    if (peek().kind == TokenKind::kString || peek().kind == TokenKind::kInteger) return true;
    if (is_sign("[") || is_sign("{")) return true;
    if (peek().kind != TokenKind::kName) return false;
    return !is_name("else") && !is_name("or") && !is_name("and") && !is_name("is");
  }

  // Behind "(": those of `call`.
  void arguments(JinjaNode& call) {
    while (!accept_sign(")")) {
      const bool named = peek().kind == TokenKind::kName && peek(1).kind == TokenKind::kSign &&
                         peek(1).text == "=";
      call.names.push_back(named ? take().text : "");
      at_ += named ? 1 : 0;
      if (is_sign("*") || is_sign("**")) refuse("an unpacked argument is not read");
      call.children.push_back(expression());
      if (!is_sign(")")) expect_sign(",");
    }
  }

  JinjaNode postfix(JinjaNode value) {
    for (int chain = 0;; lengthen(chain)) {
      if (accept_sign(".")) {
        if (peek().kind == TokenKind::kInteger) refuse("a number as an attribute is not read");
        value = node(Kind::kAttribute, {std::move(value)}, expect_name());
      } else if (accept_sign("[")) {
        value = subscript(std::move(value));
      } else if (accept_sign("(")) {
        value = node(Kind::kCall, {std::move(value)});
        arguments(value);
      } else {
        return value;
      }
    }
  }

  JinjaNode subscript(JinjaNode value) {
    const auto part = [&] {
      return is_sign(":") || is_sign("]") ? node(Kind::kAbsent) : expression();
    };
    JinjaNode begin = part();
    if (!accept_sign(":")) {
      expect_sign("]");
      if (begin.kind == Kind::kAbsent) refuse("\"[]\" has no key");
      return node(Kind::kItem, {std::move(value), std::move(begin)});
    }
    JinjaNode end = part();
    JinjaNode step = accept_sign(":") ? part() : node(Kind::kAbsent);
    expect_sign("]");
    return node(Kind::kSlice,
                {std::move(value), std::move(begin), std::move(end), std::move(step)});
  }

  JinjaNode literal(JinjaValue value) const {
    JinjaNode literal = node(Kind::kLiteral);
    literal.value = std::move(value);
    return literal;
  }

  JinjaNode primary() {
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
    --at_;
    refuse(token.text.empty() ? "a value is expected"
                              : fmt::format("a value is expected before \"{}\"", token.text));
  }

  JinjaNode name(const std::string& name) const {
    if (name == "true" || name == "True") return literal(JinjaValue(true));
    if (name == "false" || name == "False") return literal(JinjaValue(false));
    if (name == "none" || name == "None") return literal(JinjaValue::none());
    return node(Kind::kName, {}, name);
  }

  // Behind "(": one value, or a tuple, which is as good as a list.
  JinjaNode parenthesis() {
    if (is_sign(")")) return elements(Kind::kList, ")");
    JinjaNode first = expression();
    if (accept_sign(")")) return first;
    expect_sign(",");
    JinjaNode all = elements(Kind::kList, ")");
    all.children.insert(all.children.begin(), std::move(first));
    return all;
  }

  JinjaNode elements(Kind kind, std::string_view end) {
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

  const std::string& where_;
  std::vector<JinjaToken> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

JinjaNode parse_jinja(std::string_view source, const std::string& where) {
  return Parser(source, where).template_tree();
}

}  // namespace anemone
