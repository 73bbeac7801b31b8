#include "anemone/text/parser.h"

#include <fmt/format.h>

#include <unordered_set>
#include <utility>
#include <vector>

#include "anemone/base/nearest_name.h"
#include "anemone/ir/scopes.h"
#include "anemone/text/value_parser.h"

namespace anemone {
namespace {

constexpr const char* kLiteralHint = "a literal is written with its type, like int32(1)";

// "1" or "1.5".
bool is_version(const Token& token) {
  const std::string_view text = token.text;
  if (!text.starts_with("1") || text.size() > 8) return false;
  return text.size() == 1 || (text[1] == '.' && text.size() > 2 &&
                              text.find_first_not_of("0123456789", 2) == std::string_view::npos);
}

bool begins_value(const Cursor& cursor) {
  const Token next = cursor.peek_next();
  return next.is("(") || next.is("<");
}

std::string hint_for(const Scopes& scopes, const Token& token) {
  if (token.is("true") || token.is("false")) return fmt::format("write bool({})", token.text);
  return suggest(token.text, scopes.names());
}

// Throws for a name that is not defined yet.
Value use(const Scopes& scopes, const Token& name) {
  if (Value value = scopes.find(std::string(name.text))) return value;
  fail(where(name.location), fmt::format("{} is not defined", describe(name)),
       hint_for(scopes, name));
}

Value define(Scopes& scopes, const Token& name, Type type, Operation* producer) {
  const Value value = scopes.define(std::string(name.text), std::move(type), producer);
  value->location = name.location;
  return value;
}

// Parts of the text, so that it must outlive them.
using NameSet = std::unordered_set<std::string_view>;

// `what` and `done` complete "… 'x' is … twice".
void require_new(NameSet& names, const Token& token, std::string_view what, std::string_view done) {
  if (names.insert(token.text).second) return;
  fail(where(token.location), fmt::format("{} {} is {} twice", what, describe(token), done));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : cursor_(text) {}

  Program parse() {
    if (cursor_.peek().is("program")) {
      parse_program();
    } else {
      if (!cursor_.peek().is("func")) cursor_.refuse("'program' or 'func'");
      while (cursor_.peek().is("func")) parse_function();
    }
    cursor_.expect(TokenKind::kEnd, "nothing after the program");
    return std::move(program_);
  }

 private:
  void parse_program() {
    cursor_.expect("program");
    cursor_.expect("(");
    const Token version = cursor_.take();
    if (!is_version(version)) {
      fail(where(version.location), fmt::format("unknown version {}", describe(version)),
           "known are 1 and 1.x, like program(1.3)");
    }
    program_.version = version.text;
    cursor_.expect(")");
    program_.attributes = parse_attributes();
    cursor_.expect("{");
    while (!cursor_.accept("}")) {
      if (!cursor_.peek().is("func")) cursor_.refuse("'func' or '}'");
      parse_function();
    }
  }

  void parse_function() {
    cursor_.expect("func");
    const Token name = cursor_.expect(TokenKind::kName, "the function's name");
    require_new(functions_, name, "function", "defined");
    std::string opset = parse_opset();
    Function function(std::string(name.text), std::move(opset));
    Scopes scopes(function);
    opset_ = function.opset;
    parse_parameters(scopes, function);
    function.attributes = parse_attributes();
    parse_body(scopes, function);
    cursor_.expect(";");
    program_.functions.push_back(std::move(function));
  }

  // ["<" opset ">"]
  std::string parse_opset() {
    if (!cursor_.accept("<")) return "";
    const Token opset = cursor_.expect(TokenKind::kName, "an opset like ios18");
    cursor_.expect(">");
    return std::string(opset.text);
  }

  void parse_parameters(Scopes& scopes, Block& block) {
    cursor_.expect("(");
    cursor_.parse_list(")", [&] {
      Type type = parse_type(cursor_);
      const Token name = cursor_.expect(TokenKind::kName, "the parameter's name");
      block.inputs.push_back(define(scopes, name, std::move(type), nullptr));
    });
  }

  // "{" statement* "}" "->" "(" [name {"," name}] ")"
  void parse_body(Scopes& scopes, Block& block) {
    cursor_.expect("{");
    while (!cursor_.accept("}")) parse_statement(scopes, block);
    cursor_.expect("->");
    cursor_.expect("(");
    cursor_.parse_list(")", [&] {
      const Token name = cursor_.expect(TokenKind::kName, "the name of a value to return");
      block.outputs.push_back(use(scopes, name));
    });
  }

  // ["(" parameters ")"] body: the spelling is ours, no file of Apple's compiler shows one.
  std::unique_ptr<Block> parse_block(Scopes& scopes) {
    if (++depth_ > kMaxBlockDepth) {
      fail(where(cursor_.peek().location), "the blocks are nested too deeply");
    }
    auto block = std::make_unique<Block>();
    scopes.enter();
    if (cursor_.peek().is("(")) parse_parameters(scopes, *block);
    parse_body(scopes, *block);
    scopes.leave();
    --depth_;
    return block;
  }

  void parse_statement(Scopes& scopes, Block& block) {
    std::vector<std::pair<Type, Token>> outputs;
    if (!begins_operation()) outputs = parse_outputs();
    const Token type = cursor_.expect(TokenKind::kName, "an operation");
    auto op = std::make_unique<Operation>();
    op->type = type.text;
    op->location = type.location;
    op->opset = parse_opset();
    op->version = opset_from_name(op->opset.empty() ? opset_ : op->opset);
    cursor_.expect("(");
    NameSet arguments;
    cursor_.parse_list(")", [&] { parse_argument(scopes, *op, arguments); });
    op->attributes = parse_attributes();
    while (cursor_.peek().is("{") || cursor_.peek().is("(")) {
      op->blocks.push_back(parse_block(scopes));
    }
    cursor_.expect(";");
    for (auto& [output_type, name] : outputs) {
      op->outputs.push_back(define(scopes, name, std::move(output_type), op.get()));
    }
    block.operations.push_back(std::move(op));
  }

  // Whether a statement without outputs starts here.
  bool begins_operation() const {
    const Token& token = cursor_.peek();
    return token.kind == TokenKind::kName && !is_generic_type(token) && begins_value(cursor_);
  }

  std::vector<std::pair<Type, Token>> parse_outputs() {
    std::vector<std::pair<Type, Token>> outputs;
    do {
      Type type = parse_type(cursor_);
      outputs.emplace_back(std::move(type),
                           cursor_.expect(TokenKind::kName, "the name of the result"));
    } while (cursor_.accept(","));
    cursor_.expect("=");
    return outputs;
  }

  // The name before '='. People write operands by position, which MIL does not have.
  Token expect_argument_name(const Operation& op) {
    const Token name = cursor_.peek();
    const Token next = cursor_.peek_next();
    const bool is_name = name.kind == TokenKind::kName;
    if (is_name && !next.is(",") && !next.is(")") && !begins_value(cursor_)) return cursor_.take();
    if (name.kind == TokenKind::kEnd) cursor_.refuse("an argument's name");
    fail(where(name.location),
         fmt::format("{} stands for an argument of {}, but arguments are named", describe(name),
                     op.type),
         fmt::format("write NAME = {}, like x = {}", is_name ? name.text : "VALUE",
                     is_name ? name.text : "VALUE"));
  }

  void parse_argument(const Scopes& scopes, Operation& op, NameSet& names) {
    const Token name = expect_argument_name(op);
    require_new(names, name, "argument", "given");
    cursor_.expect("=");
    if (!cursor_.accept("(")) {
      op.arguments.emplace_back(std::string(name.text), parse_operand(scopes));
      return;
    }
    std::vector<Operand> tuple;
    cursor_.parse_list(")", [&] { tuple.push_back(parse_operand(scopes)); });
    op.arguments.emplace_back(std::string(name.text), std::move(tuple));
  }

  Operand parse_operand(const Scopes& scopes) {
    if (cursor_.peek().is("(")) {
      fail(where(cursor_.peek().location), "tuples inside tuples are not supported");
    }
    if (cursor_.peek().kind != TokenKind::kName) {
      cursor_.refuse("a value's name or a typed literal", kLiteralHint);
    }
    if (begins_value(cursor_)) return Operand(parse_value(cursor_));
    return use(scopes, cursor_.take());
  }

  // ["[" [name "=" value {"," name "=" value}] "]"]
  std::vector<Attribute> parse_attributes() {
    std::vector<Attribute> attributes;
    if (!cursor_.accept("[")) return attributes;
    NameSet names;
    cursor_.parse_list("]", [&] {
      const Token name = cursor_.expect(TokenKind::kName, "an attribute's name");
      require_new(names, name, "attribute", "given");
      cursor_.expect("=");
      attributes.push_back({std::string(name.text), parse_value(cursor_)});
    });
    return attributes;
  }

  Cursor cursor_;
  Program program_;
  NameSet functions_;
  std::string opset_;  // of the function that is read
  int depth_ = 0;
};

}  // namespace

Program parse_mil(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return Parser(text).parse();
}

}  // namespace anemone
