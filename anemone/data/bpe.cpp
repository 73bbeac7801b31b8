#include "anemone/data/bpe.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"
#include "anemone/data/characters.h"

namespace anemone {
namespace {

constexpr int64_t kMostGaps = 1 << 16;

}  // namespace

Bpe::Bpe(const JsonNode& model) {
  read_settings(model);
  read_vocabulary(model.at("vocab"));
  read_merges(model.at("merges"));
  for (int byte = 0; byte < 256; ++byte) {
    bytes_[static_cast<size_t>(byte)] = tokens_.find(fmt::format("<0x{:02X}>", byte));
  }
}

void Bpe::read_settings(const JsonNode& model) {
  model.allow_only({"type", "dropout", "unk_token", "continuing_subword_prefix",
                    "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab",
                    "merges"});
  const auto dropout = model.find("dropout");
  if (dropout && dropout->value() != 0) {
    dropout->refuse("dropout makes the ids of a text random", "write null there");
  }
  unknown_ = model.text_or("unk_token", "");
  prefix_ = model.text_or("continuing_subword_prefix", "");
  suffix_ = model.text_or("end_of_word_suffix", "");
  fuses_unknown_ = model.boolean_or("fuse_unk", false);
  byte_fallback_ = model.boolean_or("byte_fallback", false);
  ignores_merges_ = model.boolean_or("ignore_merges", false);
}

void Bpe::read_vocabulary(const JsonNode& vocabulary) {
  if (!vocabulary.value().is_object()) vocabulary.refuse("is no JSON object");
  tokens_.reserve(vocabulary.value().size());
  // Gaps are few: one damaged digit must not take all memory.
  const auto highest = std::min<int64_t>(
      kMaxTokenId, 2 * static_cast<int64_t>(vocabulary.value().size()) + kMostGaps);
  for (const auto& [token, id] : vocabulary.value().get_ref<const nlohmann::json::object_t&>()) {
    const bool plain = id.is_number_unsigned() && id <= highest;
    if (plain && !tokens_.has(id.get<int>())) {
      tokens_.add(token, id.get<int>(), vocabulary);
      continue;
    }
    const JsonNode entry = vocabulary.at(token);
    tokens_.add(token, static_cast<int>(entry.integer(0, highest)), entry);
  }
  if (tokens_.count() == 0) vocabulary.refuse("is empty");
}

void Bpe::read_merges(const JsonNode& merges) {
  const size_t count = merges.size();
  const bool pairs = count > 0 && merges.value()[0].is_array();
  int rank = 0;
  merges_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const nlohmann::json& merge = merges.value()[i];
    if (pairs) {
      const bool plain =
          merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
      if (!plain) merges.at(i).refuse("is no pair of tokens");
      add_merge(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>(),
                rank++, merges, i);
      continue;
    }
    if (!merge.is_string()) merges.at(i).refuse("is no string like the first one");
    const auto& text = merge.get_ref<const std::string&>();
    if (i == 0 && text.starts_with("#version")) continue;
    const size_t blank = text.find(' ');
    if (blank == std::string::npos || text.find(' ', blank + 1) != std::string::npos) {
      merges.at(i).refuse(fmt::format("{} is not two tokens with a blank between", brief(merge)));
    }
    add_merge(text.substr(0, blank), text.substr(blank + 1), rank++, merges, i);
  }
}

void Bpe::add_merge(const std::string& left, const std::string& right, int rank,
                    const JsonNode& merges, size_t index) {
  const auto id_of = [&](const std::string& token) {
    const int id = tokens_.find(token);
    if (id < 0) {
      merges.at(index).refuse(fmt::format("{} is not in the vocabulary", brief(token)));
    }
    return id;
  };
  const int left_id = id_of(left), right_id = id_of(right);
  const bool cut = !prefix_.empty() && right.size() >= prefix_.size();
  // Of a merge that is there twice the later rank counts.
  merges_.set(left_id, right_id, rank, id_of(left + (cut ? right.substr(prefix_.size()) : right)));
}

bool Bpe::append_bytes(std::string_view text, std::vector<int>& ids) const {
  for (char byte : text) {
    if (bytes_[static_cast<uint8_t>(byte)] < 0) return false;
  }
  for (char byte : text) ids.push_back(bytes_[static_cast<uint8_t>(byte)]);
  return true;
}

std::optional<int> Bpe::unknown_id() const {
  if (unknown_.empty()) return std::nullopt;
  const int id = tokens_.find(unknown_);
  if (id >= 0) return id;
  fail("encode",
       fmt::format("the tokenizer's unk_token {} is not in its vocabulary", brief(unknown_)));
}

// One id a character; where there is none, its bytes; where they are none, the unknown token, which
// waits until the next character that has an id: more of them may fuse with it.
void Bpe::append_characters(std::string_view piece, std::vector<int>& ids) const {
  std::optional<int> waiting;
  const auto put_waiting = [&] {
    if (waiting) ids.push_back(*waiting);
    waiting.reset();
  };
  std::string decorated;
  for (size_t at = 0; at < piece.size();) {
    const size_t bytes = first_character(piece.substr(at)).bytes;
    std::string_view text = piece.substr(at, bytes);
    const bool first = at == 0, last = at + bytes == piece.size();
    at += bytes;
    if ((!first && !prefix_.empty()) || (last && !suffix_.empty())) {
      decorated = fmt::format("{}{}{}", first ? "" : prefix_, text, last ? suffix_ : "");
      text = decorated;
    }
    const int id = tokens_.find(text);
    if (id >= 0) {
      put_waiting();
      ids.push_back(id);
      continue;
    }
    if (byte_fallback_ && append_bytes(text, ids)) continue;
    if (!fuses_unknown_) put_waiting();
    if (!waiting) waiting = unknown_id();
  }
  put_waiting();
}

void Bpe::append_ids(std::string_view piece, std::vector<int>& ids) const {
  if (ignores_merges_) {
    const int whole = tokens_.find(piece);
    if (whole >= 0) return ids.push_back(whole);
  }
  std::vector<int> characters;
  append_characters(piece, characters);
  merges_.append_merged(characters, ids);
}

}  // namespace anemone
