#include "anemone/data/hf_pre_tokenizer.h"

#include <fmt/format.h>

#include <utility>

#include "anemone/data/byte_letters.h"
#include "anemone/data/characters.h"
#include "anemone/data/text_pattern.h"

namespace anemone {
namespace {

// GPT-2's, which ByteLevel cuts by.
constexpr const char* kWords =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

TextPattern words_pattern() {
  const nlohmann::json words = kWords;
  return TextPattern::of_regex({words, "GPT-2's pattern"});
}

// Blanks, words and the runs of other signs of a text: kinds 0, 1, 2.
int kind_of(char32_t point) { return is_white_space(point) ? 0 : is_word_character(point) ? 1 : 2; }

void cut_by_kind(const TextPiece& piece, std::vector<TextPiece>& pieces) {
  std::vector<Stretch> stretches;
  int previous = -1;
  for (size_t at = 0; at < piece.text.size();) {
    const Character c = first_character(std::string_view(piece.text).substr(at));
    const int kind = kind_of(c.point);
    if (kind != previous) stretches.push_back({at, at, kind == 0});
    stretches.back().end = at += c.bytes;
    previous = kind;
  }
  split(piece, std::move(stretches), SplitBehavior::kRemoved, pieces);
}

// `replaced` with every blank written as the mark.
void write_marks(std::string& text, const std::string& mark) {
  std::string marked;
  marked.reserve(text.size() * 3 / 2);
  for (char c : text) c == ' ' ? void(marked += mark) : marked.push_back(c);
  text = std::move(marked);
}

// Each mark begins a stretch.
std::vector<Stretch> marks_of(std::string_view text, std::string_view mark) {
  std::vector<Stretch> all;
  size_t end = 0;
  for (size_t at; (at = text.find(mark, end)) != std::string_view::npos;) {
    if (at > end) all.push_back({end, at, false});
    end = at + mark.size();
    all.push_back({at, end, true});
  }
  if (end < text.size()) all.push_back({end, text.size(), false});
  return all;
}

}  // namespace

PrependScheme prepend_scheme(const JsonNode& metaspace) {
  const auto written = metaspace.find("prepend_scheme");
  const std::string name = written ? written->text() : "always";
  const bool adds = metaspace.boolean_or("add_prefix_space", true);
  if (!adds && name != "never") {
    metaspace.refuse(fmt::format("add_prefix_space is false, but prepend_scheme \"{}\"", name));
  }
  if (name == "always") return PrependScheme::kAlways;
  if (name == "first") return PrependScheme::kFirst;
  if (name == "never") return PrependScheme::kNever;
  written->refuse(fmt::format("the scheme \"{}\" is not known", name));
}

HfPreTokenizer::HfPreTokenizer(const std::optional<JsonNode>& json) {
  if (json) add(*json);
}

void HfPreTokenizer::apply(std::vector<TextPiece>& pieces) const {
  for (const Step& step : steps_) {
    Pieces cut;
    cut.reserve(pieces.size());
    for (TextPiece& piece : pieces) step(piece, cut);
    pieces = std::move(cut);
  }
}

void HfPreTokenizer::add(const JsonNode& json) {
  const std::string type = json.at("type").text();
  if (type == "Sequence") {
    json.allow_only({"type", "pretokenizers"});
    const JsonNode all = json.at("pretokenizers");
    for (size_t i = 0; i < all.size(); ++i) add(all.at(i));
    return;
  }
  const std::pair<const char*, Step (*)(const JsonNode&)> known[] = {
      {"ByteLevel", byte_level},
      {"Split", split_step},
      {"Metaspace", metaspace},
      {"Digits", digits},
      {"Punctuation", punctuation},
      {"Whitespace", whitespace},
      {"WhitespaceSplit", whitespace_split},
      {"CharDelimiterSplit", delimiter},
      {"BertPreTokenizer", bert}};
  for (const auto& [name, make] : known) {
    if (type == name) return steps_.push_back(make(json));
  }
  json.refuse(fmt::format("the pre-tokenizer \"{}\" is not read", type));
}

HfPreTokenizer::Step HfPreTokenizer::byte_level(const JsonNode& json) {
  json.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  const bool adds = json.at("add_prefix_space").boolean();
  const bool cuts = json.boolean_or("use_regex", true);
  return [adds, cuts, pattern = words_pattern()](TextPiece& piece, Pieces& pieces) {
    if (adds && !piece.text.starts_with(' ')) piece.text.insert(0, " ");
    const size_t begin = pieces.size();
    if (cuts) {
      split(piece, pattern.stretches(piece.text), SplitBehavior::kIsolated, pieces);
    } else {
      pieces.push_back(std::move(piece));
    }
    for (size_t i = begin; i < pieces.size(); ++i) {
      pieces[i].text = letters_of_bytes(pieces[i].text);
    }
  };
}

HfPreTokenizer::Step HfPreTokenizer::split_step(const JsonNode& json) {
  json.allow_only({"type", "pattern", "behavior", "invert"});
  const TextPattern pattern(json.at("pattern"));
  const SplitBehavior behavior = split_behavior(json.at("behavior"));
  const bool inverted = json.boolean_or("invert", false);
  return [pattern, behavior, inverted](TextPiece& piece, Pieces& pieces) {
    std::vector<Stretch> stretches = pattern.stretches(piece.text);
    for (Stretch& stretch : stretches) stretch.matches = stretch.matches != inverted;
    split(piece, std::move(stretches), behavior, pieces);
  };
}

HfPreTokenizer::Step HfPreTokenizer::metaspace(const JsonNode& json) {
  json.allow_only(
      {"type", "replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"});
  const std::string mark = json.at("replacement").text();
  if (mark.empty() || first_character(mark).bytes != mark.size()) {
    json.at("replacement").refuse("is not one character");
  }
  const PrependScheme scheme = prepend_scheme(json);
  const bool cuts = json.boolean_or("split", true);
  return [mark, scheme, cuts](TextPiece& piece, Pieces& pieces) {
    write_marks(piece.text, mark);
    const bool wanted =
        scheme == PrependScheme::kAlways || (scheme == PrependScheme::kFirst && piece.at_start);
    if (wanted && !piece.text.starts_with(mark)) piece.text.insert(0, mark);
    if (!cuts) return pieces.push_back(std::move(piece));
    split(piece, marks_of(piece.text, mark), SplitBehavior::kMergedWithNext, pieces);
  };
}

HfPreTokenizer::Step HfPreTokenizer::digits(const JsonNode& json) {
  json.allow_only({"type", "individual_digits"});
  const auto behavior = json.at("individual_digits").boolean() ? SplitBehavior::kIsolated
                                                               : SplitBehavior::kContiguous;
  return [behavior](TextPiece& piece, Pieces& pieces) {
    split(piece, stretches_of(piece.text, is_number), behavior, pieces);
  };
}

HfPreTokenizer::Step HfPreTokenizer::punctuation(const JsonNode& json) {
  json.allow_only({"type", "behavior"});
  const auto given = json.find("behavior");
  const SplitBehavior behavior = given ? split_behavior(*given) : SplitBehavior::kIsolated;
  return [behavior](TextPiece& piece, Pieces& pieces) {
    split(piece, stretches_of(piece.text, is_punctuation), behavior, pieces);
  };
}

HfPreTokenizer::Step HfPreTokenizer::whitespace(const JsonNode& json) {
  json.allow_only({"type"});
  return [](TextPiece& piece, Pieces& pieces) { cut_by_kind(piece, pieces); };
}

HfPreTokenizer::Step HfPreTokenizer::whitespace_split(const JsonNode& json) {
  json.allow_only({"type"});
  return [](TextPiece& piece, Pieces& pieces) {
    split(piece, stretches_of(piece.text, is_white_space), SplitBehavior::kRemoved, pieces);
  };
}

HfPreTokenizer::Step HfPreTokenizer::delimiter(const JsonNode& json) {
  json.allow_only({"type", "delimiter"});
  const std::string sign = json.at("delimiter").text();
  if (sign.empty() || first_character(sign).bytes != sign.size()) {
    json.at("delimiter").refuse("is not one character");
  }
  return [sign](TextPiece& piece, Pieces& pieces) {
    split(piece, marks_of(piece.text, sign), SplitBehavior::kRemoved, pieces);
  };
}

HfPreTokenizer::Step HfPreTokenizer::bert(const JsonNode& json) {
  json.allow_only({"type"});
  return [](TextPiece& piece, Pieces& pieces) {
    Pieces words;
    split(piece, stretches_of(piece.text, is_white_space), SplitBehavior::kRemoved, words);
    for (const TextPiece& word : words) {
      split(word, stretches_of(word.text, is_punctuation), SplitBehavior::kIsolated, pieces);
    }
  };
}

}  // namespace anemone
