#define PCRE2_CODE_UNIT_WIDTH 8
#include "anemone/data/text_pattern.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/data/characters.h"
#include "anemone/data/oniguruma_pattern.h"

namespace anemone {
namespace {

struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};

std::string message_of(int code) {
  unsigned char text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

// Neighbours of the same kind become one.
std::vector<Stretch> contiguous(const std::vector<Stretch>& stretches) {
  std::vector<Stretch> joined;
  for (const Stretch& next : stretches) {
    if (!joined.empty() && joined.back().matches == next.matches) {
      joined.back().end = next.end;
    } else {
      joined.push_back(next);
    }
  }
  return joined;
}

// The first match of a run goes to the stretch before it.
std::vector<Stretch> merged_with_previous(const std::vector<Stretch>& stretches) {
  std::vector<Stretch> merged;
  bool previous = false;
  for (const Stretch& next : stretches) {
    if (next.matches && !previous && !merged.empty()) {
      merged.back().end = next.end;
    } else {
      merged.push_back(next);
    }
    previous = next.matches;
  }
  return merged;
}

// The last match of a run goes to the stretch behind it.
std::vector<Stretch> merged_with_next(const std::vector<Stretch>& stretches) {
  std::vector<Stretch> merged;
  bool previous = false;
  for (size_t i = stretches.size(); i-- > 0;) {
    const Stretch& next = stretches[i];
    if (next.matches && !previous && !merged.empty()) {
      merged.back().begin = next.begin;
    } else {
      merged.push_back(next);
    }
    previous = next.matches;
  }
  std::reverse(merged.begin(), merged.end());
  return merged;
}

std::vector<Stretch> apply(SplitBehavior behavior, std::vector<Stretch> stretches) {
  switch (behavior) {
    case SplitBehavior::kContiguous:
      return contiguous(stretches);
    case SplitBehavior::kMergedWithPrevious:
      return merged_with_previous(stretches);
    case SplitBehavior::kMergedWithNext:
      return merged_with_next(stretches);
    case SplitBehavior::kRemoved:
      std::erase_if(stretches, [](const Stretch& stretch) { return stretch.matches; });
      return stretches;
    case SplitBehavior::kIsolated:
      return stretches;
  }
  return stretches;
}

}  // namespace

SplitBehavior split_behavior(const JsonNode& name) {
  const std::pair<const char*, SplitBehavior> all[] = {
      {"Isolated", SplitBehavior::kIsolated},
      {"Removed", SplitBehavior::kRemoved},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous}};
  const std::string text = name.text();
  for (const auto& [known, behavior] : all) {
    if (text == known) return behavior;
  }
  name.refuse(fmt::format("the behavior \"{}\" is not known", text));
}

struct TextPattern::Compiled {
  pcre2_code* code = nullptr;

  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() { pcre2_code_free(code); }

  // Whether it is found from byte `from` on.
  bool find(std::string_view text, size_t from, pcre2_match_data* data) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int found = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, nullptr);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      found = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                          nullptr);
    }
    if (found == PCRE2_ERROR_NOMATCH) return false;
    if (found < 0) fail("encode", "the tokenizer's pattern fails: " + message_of(found));
    return true;
  }
};

TextPattern::TextPattern(const JsonNode& pattern) {
  pattern.allow_only({"String", "Regex"});
  if (const auto literal = pattern.find("String")) {
    literal_ = literal->text();
    if (literal_.empty()) literal->refuse("the string to look for is empty");
    return;
  }
  compile(pattern.at("Regex"));
}

TextPattern TextPattern::of_regex(const JsonNode& regex) {
  TextPattern pattern;
  pattern.compile(regex);
  return pattern;
}

void TextPattern::compile(const JsonNode& regex) {
  const std::string text = pcre2_pattern(regex);
  const std::unique_ptr<pcre2_compile_context, FreeContext> context(
      pcre2_compile_context_create(nullptr));
  ANEMONE_CHECK(context != nullptr);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  const auto compiled = std::make_shared<Compiled>();
  int error = 0;
  size_t place = 0;
  compiled->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &place, context.get());
  if (compiled->code == nullptr) {
    regex.refuse(fmt::format("the pattern {} cannot be compiled: {}", regex.value().dump(),
                             message_of(error)));
  }
  // Where there is no compiler for this processor it is interpreted.
  pcre2_jit_compile(compiled->code, PCRE2_JIT_COMPLETE);
  compiled_ = compiled;
}

std::vector<Stretch> TextPattern::literal_stretches(std::string_view text) const {
  std::vector<Stretch> all;
  size_t end = 0;
  for (size_t at; (at = text.find(literal_, end)) != std::string_view::npos;) {
    if (at > end) all.push_back({end, at, false});
    end = at + literal_.size();
    all.push_back({at, end, true});
  }
  if (end < text.size()) all.push_back({end, text.size(), false});
  return all;
}

std::vector<Stretch> TextPattern::stretches(std::string_view text) const {
  if (!compiled_) return literal_stretches(text);
  std::vector<Stretch> all;
  const std::unique_ptr<pcre2_match_data, FreeMatch> data(
      pcre2_match_data_create_from_pattern(compiled_->code, nullptr));
  ANEMONE_CHECK(data != nullptr);
  const size_t* place = pcre2_get_ovector_pointer(data.get());
  size_t end = 0, from = 0;
  while (from <= text.size() && compiled_->find(text, from, data.get())) {
    // An empty match right behind another one cuts nothing.
    if (place[0] == place[1] && !all.empty() && place[1] == end && all.back().matches) {
      if (from >= text.size()) break;
      from += first_character(text.substr(from)).bytes;
      continue;
    }
    if (place[0] > end) all.push_back({end, place[0], false});
    all.push_back({place[0], place[1], true});
    end = from = place[1];
  }
  if (end < text.size()) all.push_back({end, text.size(), false});
  return all;
}

std::vector<Stretch> stretches_of(std::string_view text, bool (*is_match)(char32_t)) {
  std::vector<Stretch> all;
  for (size_t at = 0; at < text.size();) {
    const Character c = first_character(text.substr(at));
    const bool matches = is_match(c.point);
    if (!matches && !all.empty() && !all.back().matches) {
      all.back().end += c.bytes;
    } else {
      all.push_back({at, at + c.bytes, matches});
    }
    at += c.bytes;
  }
  return all;
}

void split(const TextPiece& piece, std::vector<Stretch> stretches, SplitBehavior behavior,
           std::vector<TextPiece>& pieces) {
  for (const Stretch& stretch : apply(behavior, std::move(stretches))) {
    if (stretch.begin == stretch.end) continue;
    pieces.push_back({piece.text.substr(stretch.begin, stretch.end - stretch.begin),
                      piece.at_start && stretch.begin == 0});
  }
}

}  // namespace anemone
