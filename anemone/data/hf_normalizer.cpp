#include "anemone/data/hf_normalizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "anemone/data/byte_letters.h"
#include "anemone/data/characters.h"
#include "anemone/data/text_pattern.h"

namespace anemone {
namespace {

// Drops the characters that `drops` says, and writes a blank for those that `blanks` says.
void filter(TextPiece& piece, bool (*drops)(char32_t), bool (*blanks)(char32_t)) {
  std::string kept;
  for (size_t at = 0; at < piece.text.size();) {
    const Character c = first_character(std::string_view(piece.text).substr(at));
    if (!drops(c.point)) {
      if (kept.empty() && at > 0) piece.at_start = false;
      kept += blanks(c.point) ? " " : piece.text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  piece.text = std::move(kept);
}

bool never(char32_t) { return false; }

bool nmt_drops(char32_t c) {
  return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}

bool nmt_blanks(char32_t c) {
  constexpr char32_t kAll[] = {0x9, 0xA, 0xC, 0xD, 0x1680, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD};
  return std::find(std::begin(kAll), std::end(kAll), c) != std::end(kAll) ||
         (c >= 0x200B && c <= 0x200F);
}

void strip_left(TextPiece& piece) {
  size_t at = 0;
  while (at < piece.text.size()) {
    const Character c = first_character(std::string_view(piece.text).substr(at));
    if (!is_white_space(c.point)) break;
    at += c.bytes;
  }
  piece.text.erase(0, at);
  if (at > 0) piece.at_start = false;
}

void strip_right(TextPiece& piece) {
  while (!piece.text.empty()) {
    const Character c = last_character(piece.text);
    if (!is_white_space(c.point)) return;
    piece.text.resize(piece.text.size() - c.bytes);
  }
}

// Whether a match at the beginning leaves the first character there: one character becomes
// others. Of several the last one counts, and with nothing in their place the next.
bool stays_at_start(const Stretch& match, std::string_view text, const std::string& content) {
  if (match.begin > 0 || !match.matches || match.end == 0) return true;
  return !content.empty() && first_character(text).bytes == match.end;
}

}  // namespace

HfNormalizer::HfNormalizer(const std::optional<JsonNode>& json) {
  if (json) add(*json);
}

void HfNormalizer::apply(TextPiece& piece) const {
  for (const Step& step : steps_) step(piece);
}

void HfNormalizer::add(const JsonNode& json) {
  const std::string type = json.at("type").text();
  if (type == "Sequence") {
    json.allow_only({"type", "normalizers"});
    const JsonNode all = json.at("normalizers");
    for (size_t i = 0; i < all.size(); ++i) add(all.at(i));
    return;
  }
  const std::pair<const char*, NormalForm> forms[] = {{"NFC", NormalForm::kNfc},
                                                      {"NFD", NormalForm::kNfd},
                                                      {"NFKC", NormalForm::kNfkc},
                                                      {"NFKD", NormalForm::kNfkd}};
  for (const auto& [name, form] : forms) {
    if (type != name) continue;
    json.allow_only({"type"});
    steps_.emplace_back([form = form](TextPiece& p) { p.text = normalize(p.text, form); });
    return;
  }
  const std::pair<const char*, Step> plain[] = {
      {"Lowercase", [](TextPiece& p) { p.text = lowercase(p.text); }},
      {"StripAccents", [](TextPiece& p) { filter(p, is_mark, never); }},
      {"Nmt", [](TextPiece& p) { filter(p, nmt_drops, nmt_blanks); }},
      {"ByteLevel", [](TextPiece& p) { p.text = letters_of_bytes(p.text); }}};
  for (const auto& [name, step] : plain) {
    if (type != name) continue;
    json.allow_only({"type"});
    steps_.push_back(step);
    return;
  }
  const std::pair<const char*, Step (*)(const JsonNode&)> others[] = {
      {"Strip", strip}, {"Prepend", prepend}, {"Replace", replace}};
  for (const auto& [name, make] : others) {
    if (type == name) return steps_.push_back(make(json));
  }
  json.refuse(fmt::format("the normalizer \"{}\" is not read", type));
}

HfNormalizer::Step HfNormalizer::strip(const JsonNode& json) {
  json.allow_only({"type", "strip_left", "strip_right"});
  const bool left = json.at("strip_left").boolean(), right = json.at("strip_right").boolean();
  return [left, right](TextPiece& piece) {
    if (left) strip_left(piece);
    if (right) strip_right(piece);
  };
}

HfNormalizer::Step HfNormalizer::prepend(const JsonNode& json) {
  json.allow_only({"type", "prepend"});
  return [text = json.at("prepend").text()](TextPiece& piece) {
    if (!piece.text.empty()) piece.text.insert(0, text);
  };
}

HfNormalizer::Step HfNormalizer::replace(const JsonNode& json) {
  json.allow_only({"type", "pattern", "content"});
  const TextPattern pattern(json.at("pattern"));
  return [pattern, content = json.at("content").text()](TextPiece& piece) {
    const std::string_view text = piece.text;
    std::string replaced;
    replaced.reserve(text.size());
    for (const Stretch& stretch : pattern.stretches(text)) {
      if (!stays_at_start(stretch, text, content)) piece.at_start = false;
      replaced += stretch.matches ? std::string_view(content)
                                  : text.substr(stretch.begin, stretch.end - stretch.begin);
    }
    piece.text = std::move(replaced);
  };
}

}  // namespace anemone
