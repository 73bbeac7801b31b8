// The tokens of a Jinja template: its text, and names, strings, numbers and signs of its tags.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anemone {

struct JinjaToken {
  enum class Kind {
    kText,
    kBlockBegin,
    kBlockEnd,
    kPrintBegin,
    kPrintEnd,
    kName,
    kInteger,
    kString,
    kSign,
    kEnd
  };
  Kind kind;
  std::string text;  // a string's value, without its quotes
  int line;
};

// Throws Error at `where` and the line for what is damaged.
[[noreturn]] void fail_at_line(const std::string& where, int line, const std::string& message);

// Cuts a template as transformers has Jinja do it: trim_blocks (a tag takes the line end behind
// it), lstrip_blocks (and the blanks before it, where nothing else is on the line), one line end at
// the very end dropped. The last token is kEnd.
std::vector<JinjaToken> lex_jinja(std::string_view source, const std::string& where);

}  // namespace anemone
