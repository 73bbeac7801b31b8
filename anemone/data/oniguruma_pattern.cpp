#include "anemone/data/oniguruma_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace anemone {
namespace {

// Contents of a class. PCRE2's \s also takes U+180E.
constexpr std::string_view kSpaces =
    "\\x09-\\x0D \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}"
    "\\x{3000}";
// Word characters inside a class; alone they hold six numbers of Latin-1 too.
constexpr std::string_view kClassWords = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
constexpr std::string_view kWords =
    "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";

constexpr std::string_view kCategories[] = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd", "Nl",
    "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk",
    "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Cn", "Co", "Cs"};
constexpr std::string_view kScripts[] = {
    "Arabic",   "Armenian", "Bengali",   "Cyrillic", "Devanagari", "Georgian", "Greek",
    "Gujarati", "Han",      "Hangul",    "Hebrew",   "Hiragana",   "Katakana", "Khmer",
    "Lao",      "Latin",    "Malayalam", "Tamil",    "Telugu",     "Thai",     "Tibetan"};

template <typename List>
bool contains(const List& list, std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

class Translator {
 public:
  explicit Translator(const JsonNode& node) : node_(node), in_(node.text()) {}

  std::string run() {
    if (in_.find('\0') != std::string::npos) refuse("a zero");
    while (at_ < in_.size()) term();
    return out_;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    node_.refuse(fmt::format("{} in the pattern {} is not understood", what, node_.value().dump()));
  }

  bool next_is(std::string_view text) const {
    return std::string_view(in_).substr(at_).starts_with(text);
  }

  void copy(size_t bytes) {
    out_.append(in_, at_, bytes);
    at_ += bytes;
  }

  // One character, class, group border or quantifier.
  void term() {
    const char c = in_[at_];
    if (c == '(') return open_group();
    if (c == ')') return close_group();
    if (c == '{') return braces();
    const bool quantifier = c == '*' || c == '+' || c == '?';
    if (!quantifier) atom_ = out_.size();
    if (c == '\\') return escape(/*in_class=*/false);
    if (c == '[') return character_class();
    copy(1);
    while (!quantifier && at_ < in_.size() && (in_[at_] & 0xC0) == 0x80) copy(1);
  }

  void open_group() {
    groups_.push_back(out_.size());
    for (const char* opening : {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"}) {
      if (next_is(opening)) return copy(std::string_view(opening).size());
    }
    if (next_is("(?") || next_is("(*")) refuse(fmt::format("\"{}\"", in_.substr(at_, 4)));
    copy(1);
  }

  void close_group() {
    if (groups_.empty()) refuse("a \")\" without its \"(\"");
    atom_ = groups_.back();
    groups_.pop_back();
    copy(1);
  }

  // `{2}`, `{1,3}`, `{1,}`, `{,3}`, or a literal brace.
  void braces() {
    const size_t end = in_.find('}', at_);
    const std::string inner = end == std::string::npos ? "" : in_.substr(at_ + 1, end - at_ - 1);
    const bool counts = !inner.empty() && inner != "," &&
                        inner.find_first_not_of("0123456789,") == std::string::npos &&
                        std::count(inner.begin(), inner.end(), ',') <= 1;
    if (!counts) {
      atom_ = out_.size();
      out_ += '\\';
      return copy(1);
    }
    out_ += fmt::format("{{{}{}}}", inner[0] == ',' ? "0" : "", inner);
    at_ = end + 1;
    if (!next_is("+")) return;
    // A repeat of a repeat, which PCRE2 would read as possessive.
    out_.insert(atom_, "(?:");
    out_ += ')';
  }

  void character_class() {
    copy(next_is("[^") ? 2 : 1);
    if (next_is("]")) {
      out_ += '\\';
      copy(1);
    }
    while (at_ < in_.size() && in_[at_] != ']') {
      if (next_is("[") || next_is("&&")) refuse("a set operation or POSIX class");
      in_[at_] == '\\' ? escape(/*in_class=*/true) : copy(1);
    }
    if (at_ == in_.size()) refuse("a \"[\" without its \"]\"");
    copy(1);
  }

  void escape(bool in_class) {
    if (at_ + 1 >= in_.size()) refuse("a \"\\\" at the end");
    const char c = in_[at_ + 1];
    const bool sign = (c & 0x80) == 0 && std::isalnum(static_cast<unsigned char>(c)) == 0;
    if (sign || contains(std::string_view("nrtfaedD"), c) ||
        (!in_class && (c == 'A' || c == 'z'))) {
      return copy(2);
    }
    if (c == 'p' || c == 'P') return property();
    if (c == 'x') return hexadecimal();
    if (c == 'u') return four_digits();
    at_ += 2;
    out_ += in_class ? class_in_class(c) : class_alone(c);
  }

  static bool contains(std::string_view text, char c) {
    return text.find(c) != std::string_view::npos;
  }

  std::string class_in_class(char c) const {
    if (c == 's') return std::string(kSpaces);
    if (c == 'S') return "\\S\\x{180E}";
    if (c == 'w') return std::string(kClassWords);
    if (c == 'v') return "\\x0B";
    if (c == 'h') return "0-9A-Fa-f";
    refuse(fmt::format("\"\\{}\" in a class", c));
  }

  std::string class_alone(char c) const {
    const std::string_view set = c == 's' || c == 'S' ? kSpaces : kWords;
    if (c == 's' || c == 'w') return fmt::format("[{}]", set);
    if (c == 'S' || c == 'W') return fmt::format("[^{}]", set);
    if (c == 'b') return fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", kWords);
    if (c == 'B') return fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", kWords);
    if (c == 'v') return "\\x0B";
    if (c == 'h') return "[0-9A-Fa-f]";
    refuse(fmt::format("\"\\{}\"", c));
  }

  // \p{L}, \p{^L}, \P{L}, \p{Han}.
  void property() {
    const size_t end = in_.find('}', at_);
    if (end == std::string::npos || in_[at_ + 2] != '{') refuse("a property without braces");
    std::string name = in_.substr(at_ + 3, end - at_ - 3);
    const bool negated = name.starts_with('^') != (in_[at_ + 1] == 'P');
    if (name.starts_with('^')) name.erase(0, 1);
    const bool script = anemone::contains(kScripts, name);
    if (!script && !anemone::contains(kCategories, name)) {
      refuse(fmt::format("the property \"{}\"", name));
    }
    out_ += fmt::format("\\{}{{{}{}}}", negated ? 'P' : 'p', script ? "sc:" : "", name);
    at_ = end + 1;
  }

  void hexadecimal() {
    const size_t end = in_[at_ + 2] == '{' ? in_.find('}', at_) : at_ + 3;
    if (end == std::string::npos || end >= in_.size()) refuse("\"\\x\"");
    copy(end + 1 - at_);
  }

  void four_digits() {
    const std::string digits = in_.substr(at_ + 2, 4);
    if (digits.size() < 4 ||
        digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
      refuse("\"\\u\"");
    }
    out_ += fmt::format("\\x{{{}}}", digits);
    at_ += 6;
  }

  const JsonNode& node_;
  std::string in_, out_;
  size_t at_ = 0;
  size_t atom_ = 0;             // where the last atom begins in out_
  std::vector<size_t> groups_;  // where open groups begin in out_
};

}  // namespace

std::string pcre2_pattern(const JsonNode& pattern) { return Translator(pattern).run(); }

}  // namespace anemone
