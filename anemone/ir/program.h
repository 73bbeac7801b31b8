// The one IR: a MIL program as functions of operations in single-assignment form.
// Knows no operation by name; what they mean is in anemone/ops.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "anemone/ir/literal.h"
#include "anemone/ir/opset.h"

namespace anemone {

// Where something stands in MIL text, from 1; line 0 for what was built in memory.
struct SourceLocation {
  int line = 0, column = 0;
};

class Operation;
class Block;

// A named value: an input of a block or one output of an operation. Owned by its function.
struct Variable {
  std::string name;
  Type type;
  Operation* producer = nullptr;  // null for an input of a block
  SourceLocation location;
};
using Value = Variable*;

// What an argument is bound to: a value, or a literal in place.
struct Operand {
  Value value = nullptr;
  std::shared_ptr<const Literal> literal;

  Operand(Value bound) : value(bound) {}  // NOLINT: an operand is a value in disguise
  explicit Operand(Literal in_place)
      : literal(std::make_shared<const Literal>(std::move(in_place))) {}

  const Type& type() const { return value ? value->type : literal->type; }
};

// name = operand, or name = (operand, operand, …).
struct Argument {
  std::string name;
  std::vector<Operand> operands;
  bool is_tuple = false;

  Argument(std::string argument_name, Operand operand)
      : name(std::move(argument_name)), operands{std::move(operand)} {}
  Argument(std::string argument_name, std::vector<Operand> tuple)
      : name(std::move(argument_name)), operands(std::move(tuple)), is_tuple(true) {}
};

struct Attribute {
  std::string name;
  Literal value;

  friend bool operator==(const Attribute&, const Attribute&) = default;
};

class Operation {
 public:
  Operation();
  ~Operation();
  // Copies are made by copy_operation() of walk.h, which also copies the blocks.
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  std::string type;
  std::string opset;               // "<ios17>" after the name; empty as a rule
  Opset version = Opset::kNewest;  // whose meaning it has: its own opset, else its function's
  std::vector<Argument> arguments;
  std::vector<Attribute> attributes;
  std::vector<Value> outputs;
  // The branches of cond, the condition and the body of while_loop.
  std::vector<std::unique_ptr<Block>> blocks;
  SourceLocation location;

  const Argument* find(std::string_view argument) const;
  const Literal* attribute(std::string_view name) const;

  // The literal behind an operand: given in place, or by the `const` that produces the value.
  static const Literal* constant(const Operand& operand);

  // "3:14" for parsed operations, otherwise "softmax 'probabilities'".
  std::string where() const;
};

// The literal of a value made by `const`, else null.
const Literal* constant_of(Value value);

// A list of operations: the body of a function, or one nested in an operation, which also sees the
// values defined before that operation.
class Block {
 public:
  std::vector<Value> inputs;  // parameters of a function, variables of a loop
  std::vector<std::unique_ptr<Operation>> operations;  // definitions come before uses
  std::vector<Value> outputs;
};

// The body and what names it. Owns its values and those of nested blocks, whose names differ.
class Function : public Block {
 public:
  Function(std::string name, std::string opset) : name(std::move(name)), opset(std::move(opset)) {}
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;
  Function(Function&&) = default;
  Function& operator=(Function&&) = default;

  std::string name;
  std::string opset;  // "ios18"
  std::vector<Attribute> attributes;

  Value add_input(std::string input_name, Type type);
  // A value for `producer`; the caller puts it into the operation's outputs.
  Value add_variable(std::string variable_name, Type type, Operation* producer);

  // `base`, or `base_1`, `base_2`, … if that is taken.
  std::string fresh_name(std::string_view base) const;
  // Gives the value another name, which must be free.
  void rename(Value value, std::string new_name);
  // Null if there is none; with doubly defined names the first.
  Value find(std::string_view variable_name) const;

  // Drops operations whose results nothing needs. Returns how many.
  int remove_unused();

  // A copy with its own operations and values; `map` receives old value → new value.
  Function clone(std::unordered_map<Value, Value>* map = nullptr) const;

 private:
  std::vector<std::unique_ptr<Variable>> variables_;
  std::unordered_map<std::string, Value> by_name_;
};

class Program {
 public:
  std::string version = "1.3";
  std::vector<Attribute> attributes;  // buildInfo
  std::vector<Function> functions;

  Function* find(std::string_view function_name);
};

// The same names, types, literals and order; source locations do not count.
bool structurally_equal(const Function& a, const Function& b);
bool structurally_equal(const Program& a, const Program& b);

// One thing that is wrong with a program, and where.
struct Diagnostic {
  std::string where;  // as Operation::where
  std::string message;
  std::string hint;
};

// Names defined once and before their use, outputs defined. Types are checked by anemone/ops.
std::vector<Diagnostic> verify_structure(const Function& function);

}  // namespace anemone
