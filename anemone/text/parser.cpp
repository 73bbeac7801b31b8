#include "anemone/text/parser.h"

#include <fmt/format.h>

#include <unordered_set>
#include <utility>
#include <vector>

#include "anemone/base/nearest_name.h"
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

std::string hint_for_name(const Function& function, const Token& token) {
  if (token.is("true") || token.is("false")) return fmt::format("write bool({})", token.text);
  std::vector<std::string_view> names;
  for (const Value input : function.inputs) names.push_back(input->name);
  for (const auto& op : function.operations) {
    for (const Value output : op->outputs) names.push_back(output->name);
  }
  return suggest(token.text, names);
}

// The value a name stands for; throws if it is not defined yet.
Value use(const Function& function, const Token& token) {
  if (Value value = function.find(token.text)) return value;
  fail(where(token.location), fmt::format("{} is not defined", describe(token)),
       hint_for_name(function, token));
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
    cursor_.expect("(");
    cursor_.parse_list(")", [&] { parse_parameter(function); });
    function.attributes = parse_attributes();
    cursor_.expect("{");
    while (!cursor_.accept("}")) parse_statement(function);
    cursor_.expect("->");
    cursor_.expect("(");
    cursor_.parse_list(")", [&] {
      function.outputs.push_back(
          use(function, cursor_.expect(TokenKind::kName, "the name of a value to return")));
    });
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

  void parse_parameter(Function& function) {
    Type type = parse_type(cursor_);
    const Token name = cursor_.expect(TokenKind::kName, "the parameter's name");
    function.add_input(std::string(name.text), std::move(type))->location = name.location;
  }

  void parse_statement(Function& function) {
    std::vector<std::pair<Type, Token>> outputs;
    if (!begins_operation()) outputs = parse_outputs();
    const Token type = cursor_.expect(TokenKind::kName, "an operation");
    auto op = std::make_unique<Operation>();
    op->type = type.text;
    op->location = type.location;
    op->opset = parse_opset();
    op->version = opset_from_name(op->opset.empty() ? function.opset : op->opset);
    cursor_.expect("(");
    NameSet arguments;
    cursor_.parse_list(")", [&] { parse_argument(function, *op, arguments); });
    op->attributes = parse_attributes();
    if (cursor_.peek().is("{")) {
      fail(where(cursor_.peek().location), "nested blocks are not supported",
           "control flow like cond and while_loop has to be unrolled");
    }
    cursor_.expect(";");
    for (auto& [output_type, name] : outputs) {
      op->outputs.push_back(
          function.add_variable(std::string(name.text), std::move(output_type), op.get()));
      op->outputs.back()->location = name.location;
    }
    function.operations.push_back(std::move(op));
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

  void parse_argument(const Function& function, Operation& op, NameSet& names) {
    const Token name = expect_argument_name(op);
    require_new(names, name, "argument", "given");
    cursor_.expect("=");
    if (!cursor_.accept("(")) {
      op.arguments.emplace_back(std::string(name.text), parse_operand(function));
      return;
    }
    std::vector<Operand> tuple;
    cursor_.parse_list(")", [&] { tuple.push_back(parse_operand(function)); });
    op.arguments.emplace_back(std::string(name.text), std::move(tuple));
  }

  Operand parse_operand(const Function& function) {
    if (cursor_.peek().is("(")) {
      fail(where(cursor_.peek().location), "tuples inside tuples are not supported");
    }
    if (cursor_.peek().kind != TokenKind::kName) {
      cursor_.refuse("a value's name or a typed literal", kLiteralHint);
    }
    if (begins_value(cursor_)) return Operand(parse_value(cursor_));
    return use(function, cursor_.take());
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
};

}  // namespace

Program parse_mil(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return Parser(text).parse();
}

}  // namespace anemone
