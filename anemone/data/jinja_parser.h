// The tree of a Jinja template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "anemone/data/jinja_value.h"

namespace anemone {

struct JinjaNode {
  enum class Kind {
    kAbsent,  // an optional child that is not there
    // Expressions. Children first, arguments of calls behind; `names` are those of the arguments.
    kLiteral,      // value
    kName,         // text
    kAttribute,    // [object].text
    kItem,         // [object][key]
    kSlice,        // [object][begin:end:step]
    kCall,         // [callee](arguments)
    kFilter,       // [object] | text(arguments)
    kTest,         // [object] is text(arguments)
    kNot,          // [x]
    kNegative,     // [x]
    kAnd,          // [a, b]
    kOr,           // [a, b]
    kConditional,  // [condition, then, else]
    kBinary,       // [a, b], text is the sign
    kCompare,      // operands; `names` are the signs between them
    kList,         // elements
    kDictionary,   // key, value, key, value, ...
    // Statements.
    kBlock,    // statements
    kText,     // text
    kPrint,    // [x]
    kIf,       // condition, block, condition, block, ..., perhaps the block of else
    kFor,      // [list, condition, block, else]; `names` are the variables
    kSet,      // [x]; `names` is a variable, or a namespace and its attribute
    kCapture,  // [block]: the same with what a block prints
    kMacro,    // [block, defaults]; text is its name, `names` are the parameters
    kBreak,
    kContinue,
  };
  Kind kind = Kind::kAbsent;
  int line = 0;
  std::string text = {};
  JinjaValue value = {};
  std::vector<JinjaNode> children = {};
  std::vector<std::string> names = {};
};

// Throws Error at `where`, naming the line, for what is damaged and for tags that are not read.
// Filters, tests and functions are looked up when they are used.
JinjaNode parse_jinja(std::string_view source, const std::string& where);

}  // namespace anemone
