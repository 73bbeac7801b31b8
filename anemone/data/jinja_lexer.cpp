#include "anemone/data/jinja_lexer.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/data/characters.h"

namespace anemone {
namespace {

using Kind = JinjaToken::Kind;

constexpr std::string_view kSpace = " \t\n\r\f\v";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// "\r\n" and "\r" become "\n"; one at the end is dropped.
std::string with_line_ends(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    const bool pair = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
    if (!pair) text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  Lexer(std::string source, const std::string& where) : source_(std::move(source)), where_(where) {}

  std::vector<JinjaToken> run() {
    while (at_ < source_.size()) {
      const size_t tag = next_tag();
      append_text(tag);
      if (tag == std::string::npos) break;
      at_ = tag + 2;
      if (rest().starts_with('-') || rest().starts_with('+')) ++at_;
      switch (source_[tag + 1]) {
        case '#':
          skip_comment();
          break;
        case '%':
          lex_tag(Kind::kBlockBegin, Kind::kBlockEnd, "%}");
          break;
        default:
          lex_tag(Kind::kPrintBegin, Kind::kPrintEnd, "}}");
      }
    }
    at_ = source_.size();
    add(Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }

  void add(Kind kind, std::string text) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(counted_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(at_), '\n'));
    counted_ = at_;
    tokens_.push_back({kind, std::move(text), line_});
  }

  [[noreturn]] void refuse(const std::string& message) {
    add(Kind::kEnd, "");
    fail_at_line(where_, line_, message);
  }

  size_t next_tag() const {
    for (size_t at = source_.find('{', at_); at != std::string::npos;
         at = source_.find('{', at + 1)) {
      const char next = at + 1 < source_.size() ? source_[at + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return std::string::npos;
  }

  // The text up to the tag at `end`, which may take blanks from it.
  void append_text(size_t end) {
    std::string_view text = rest().substr(0, end == std::string::npos ? end : end - at_);
    if (end != std::string::npos) {
      const char sign = end + 2 < source_.size() ? source_[end + 2] : '\0';
      const size_t line = text.rfind('\n') + 1;  // 0: no line begins here
      if (sign == '-') {
        text = text.substr(0, text.find_last_not_of(kSpace) + 1);
      } else if (sign != '+' && source_[end + 1] != '{' && (line > 0 || at_line_start_) &&
                 text.find_first_not_of(kSpace, line) == std::string_view::npos) {
        text = text.substr(0, line);
      }
    }
    if (!text.empty()) add(Kind::kText, std::string(text));
  }

  // Behind the sign and the mark `end` of a tag: "-" takes all white space, else a block or comment
  // takes a line end.
  void close(char sign, std::string_view end) {
    at_ += end.size() + (sign == '\0' ? 0 : 1);
    const size_t begin = at_;
    if (sign == '-') {
      at_ = std::min(source_.find_first_not_of(kSpace, at_), source_.size());
    } else if (sign != '+' && end != "}}" && rest().starts_with('\n')) {
      ++at_;
    }
    at_line_start_ = at_ > begin && source_[at_ - 1] == '\n';
  }

  // Whether the tag ends here, behind which sign ('\0': none).
  bool ends_here(std::string_view end, char& sign) const {
    sign = '\0';
    if (rest().starts_with(end)) return true;
    if (rest().size() <= end.size() || !rest().substr(1).starts_with(end)) return false;
    sign = rest()[0];
    return sign == '-' || (sign == '+' && end != "}}");
  }

  void skip_comment() {
    for (char sign = '\0'; at_ < source_.size(); ++at_) {
      if (ends_here("#}", sign)) return close(sign, "#}");
    }
    refuse("a comment does not end");
  }

  void lex_tag(Kind begin, Kind end_kind, std::string_view end) {
    add(begin, "");
    const size_t first = tokens_.size();
    for (int depth = 0;;) {
      at_ = std::min(source_.find_first_not_of(kSpace, at_), source_.size());
      if (at_ == source_.size()) refuse("a tag does not end");
      char sign = '\0';
      if (depth == 0 && ends_here(end, sign)) {
        add(end_kind, "");
        close(sign, end);
        break;
      }
      lex_token();
      const JinjaToken& token = tokens_.back();
      if (token.kind != Kind::kSign) continue;
      if (std::string_view("([{").find(token.text) != std::string_view::npos) ++depth;
      if (std::string_view(")]}").find(token.text) != std::string_view::npos) --depth;
    }
    const bool raw = begin == Kind::kBlockBegin && tokens_[first].text == "raw";
    if (raw) refuse("the tag \"raw\" is not read");
  }

  void lex_token() {
    const char c = rest()[0];
    if (c == '"' || c == '\'') return lex_string(c);
    if (is_digit(c) || begins_name(c)) {
      size_t size = 1;
      const auto belongs = [](char d) { return is_digit(d) || begins_name(d); };
      while (size < rest().size() && belongs(rest()[size])) ++size;
      const std::string text(rest().substr(0, size));
      const bool number = is_digit(c);
      if (number && (!std::all_of(text.begin(), text.end(), is_digit) || size > 15)) {
        refuse(fmt::format("the number \"{}\" is not read", text));
      }
      add(number ? Kind::kInteger : Kind::kName, text);
      at_ += size;
      return;
    }
    for (std::string_view sign : {"//", "**", "==", "!=", "<=", ">="}) {
      if (!rest().starts_with(sign)) continue;
      add(Kind::kSign, std::string(sign));
      at_ += sign.size();
      return;
    }
    if (std::string_view("+-/*%~[](){}=.:|,<>").find(c) == std::string_view::npos) {
      refuse("a character that no expression has");
    }
    add(Kind::kSign, std::string(1, c));
    ++at_;
  }

  void lex_string(char quote) {
    std::string text;
    size_t at = at_ + 1;
    while (at < source_.size() && source_[at] != quote) {
      if (source_[at] == '\\' && at + 1 < source_.size()) {
        append_escape(at, text);
      } else {
        text += source_[at++];
      }
    }
    if (at >= source_.size()) refuse("a string does not end");
    add(Kind::kString, std::move(text));
    at_ = at + 1;
  }

  // Python's escapes; a backslash before any other character stays.
  void append_escape(size_t& at, std::string& text) {
    const char c = source_[at + 1];
    at += 2;
    constexpr std::string_view kNames = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
    const size_t known = kNames.find(c);
    if (known != std::string_view::npos) {
      text += kValues[known];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      append_point(at, c == 'x' ? 2 : c == 'u' ? 4 : 8, text);
    } else if (is_digit(c) || c == 'N') {
      refuse(fmt::format("the escape \"\\{}\" in a string is not read", c));
    } else if (c != '\n') {
      (text += '\\') += c;
    }
  }

  void append_point(size_t& at, size_t digits, std::string& text) {
    char32_t point = 0;
    for (size_t i = 0; i < digits; ++i, ++at) {
      const size_t digit =
          std::string_view("0123456789abcdef")
              .find(at < source_.size() ? static_cast<char>(source_[at] | 0x20) : ' ');
      if (digit == std::string_view::npos || point > 0x10FFFF)
        refuse("an escape without its digits");
      point = point << 4 | static_cast<char32_t>(digit);
    }
    if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
      refuse("an escape of no character");
    append_character(text, point);
  }

  const std::string source_;
  const std::string& where_;
  std::vector<JinjaToken> tokens_;
  size_t at_ = 0, counted_ = 0;  // bytes read, and those whose lines are counted
  int line_ = 1;
  bool at_line_start_ = true;
};

}  // namespace

void fail_at_line(const std::string& where, int line, const std::string& message) {
  fail(where, fmt::format("the chat template, line {}: {}", line, message),
       "name a format with --chat-format, or write the prompt as the model expects it");
}

std::vector<JinjaToken> lex_jinja(std::string_view source, const std::string& where) {
  return Lexer(with_line_ends(source), where).run();
}

}  // namespace anemone
