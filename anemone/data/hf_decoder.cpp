#include "anemone/data/hf_decoder.h"

#include <fmt/format.h>

#include "anemone/data/byte_letters.h"
#include "anemone/data/characters.h"
#include "anemone/data/hf_pre_tokenizer.h"
#include "anemone/data/text_pattern.h"

namespace anemone {
namespace {

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "<0x41>" is "A"; capitals or not.
void read_byte(std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return;
  const int high = digit_of(token[3]), low = digit_of(token[4]);
  if (high >= 0 && low >= 0) token = std::string(1, static_cast<char>(high * 16 + low));
}

void strip(std::string& token, const std::string& character, int64_t start, int64_t stop) {
  for (; start > 0 && token.starts_with(character); --start) token.erase(0, character.size());
  for (; stop > 0 && token.ends_with(character); --stop) {
    token.resize(token.size() - character.size());
  }
}

std::string one_character(const JsonNode& json) {
  std::string text = json.text();
  if (text.empty() || first_character(text).bytes != text.size()) {
    json.refuse("is not one character");
  }
  return text;
}

}  // namespace

HfDecoder::HfDecoder(const std::optional<JsonNode>& json) {
  if (json) {
    add(*json);
    return;
  }
  first_differs_ = true;
  steps_.emplace_back([](std::string& token, bool first) {
    if (!first) token.insert(0, " ");
  });
}

std::string HfDecoder::text(std::string token, bool first) const {
  for (const Step& step : steps_) step(token, first);
  return token;
}

void HfDecoder::drop_beginning(std::string& text, int& dropped) const {
  while (dropped < most_dropped_ && !text.empty()) {
    if (!text.starts_with(beginning_)) dropped = most_dropped_;
    if (dropped == most_dropped_) return;
    text.erase(0, beginning_.size());
    ++dropped;
  }
}

void HfDecoder::add(const JsonNode& json) {
  const std::string type = json.at("type").text();
  if (type == "Sequence") {
    json.allow_only({"type", "decoders"});
    const JsonNode all = json.at("decoders");
    for (size_t i = 0; i < all.size(); ++i) add(all.at(i));
    return;
  }
  if (type == "Strip") return add_strip(json);
  if (fused_) json.refuse(fmt::format("\"{}\" behind Fuse is not read", type));
  if (type == "Fuse") {
    json.allow_only({"type"});
    fused_ = true;
    return;
  }
  if (type == "ByteFallback") {
    json.allow_only({"type"});
    return steps_.push_back([](std::string& token, bool) { read_byte(token); });
  }
  if (type == "ByteLevel") {
    json.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    fused_ = true;
    return steps_.push_back([](std::string& token, bool) { token = bytes_of_letters(token); });
  }
  if (type == "Replace") return steps_.push_back(replace(json));
  if (type != "Metaspace") json.refuse(fmt::format("the decoder \"{}\" is not read", type));
  first_differs_ = first_differs_ || prepend_scheme(json) != PrependScheme::kNever;
  steps_.push_back(metaspace(json));
}

void HfDecoder::add_strip(const JsonNode& json) {
  json.allow_only({"type", "content", "start", "stop"});
  constexpr int64_t kMost = 1 << 20;
  const std::string character = one_character(json.at("content"));
  const int64_t start = json.at("start").integer(0, kMost),
                stop = json.at("stop").integer(0, kMost);
  if (!fused_) {
    return steps_.push_back(
        [=](std::string& token, bool) { strip(token, character, start, stop); });
  }
  if (stop != 0) json.at("stop").refuse("the end of a fused text cannot be stripped");
  if (most_dropped_ > 0) json.refuse("a second Strip behind Fuse is not read");
  beginning_ = character;
  most_dropped_ = static_cast<int>(start);
}

HfDecoder::Step HfDecoder::metaspace(const JsonNode& json) {
  json.allow_only(
      {"type", "replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"});
  const std::string mark = one_character(json.at("replacement"));
  const bool drops = prepend_scheme(json) != PrependScheme::kNever;
  return [mark, drops](std::string& token, bool first) {
    const std::string_view blank = first && drops ? "" : " ";
    for (size_t at = 0; (at = token.find(mark, at)) != std::string::npos; at += blank.size()) {
      token.replace(at, mark.size(), blank);
    }
  };
}

HfDecoder::Step HfDecoder::replace(const JsonNode& json) {
  json.allow_only({"type", "pattern", "content"});
  const TextPattern pattern(json.at("pattern"));
  return [pattern, content = json.at("content").text()](std::string& token, bool) {
    std::string replaced;
    for (const Stretch& stretch : pattern.stretches(token)) {
      replaced +=
          stretch.matches ? content : token.substr(stretch.begin, stretch.end - stretch.begin);
    }
    token = std::move(replaced);
  };
}

}  // namespace anemone
