#include "anemone/data/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "anemone/base/error.h"
#include "anemone/data/characters.h"

namespace anemone {
namespace {

// What an unknown character costs beyond the worst piece.
constexpr double kUnknownPenalty = 10;

}  // namespace

Unigram::Unigram(const JsonNode& model) {
  model.allow_only({"type", "unk_id", "vocab", "byte_fallback"});
  read_vocabulary(model.at("vocab"));
  byte_fallback_ = model.boolean_or("byte_fallback", false);
  const auto last = static_cast<int64_t>(scores_.size()) - 1;
  if (const auto id = model.find("unk_id")) unknown_ = static_cast<int>(id->integer(0, last));
  for (int byte = 0; byte < 256; ++byte) {
    bytes_[static_cast<size_t>(byte)] = tokens_.find(fmt::format("<0x{:02X}>", byte));
  }
}

// [["piece", score], ...], in the order of their ids.
void Unigram::read_vocabulary(const JsonNode& vocabulary) {
  const size_t count = vocabulary.size();
  if (count == 0 || count > static_cast<size_t>(kMaxTokenId)) {
    vocabulary.refuse(fmt::format("has {} pieces", count));
  }
  double worst = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < count; ++i) {
    const nlohmann::json& entry = vocabulary.value()[i];
    const bool pair =
        entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
    if (!pair) vocabulary.at(i).refuse("is no piece with its score");
    const auto& piece = entry[0].get_ref<const std::string&>();
    scores_.push_back(entry[1].get<double>());
    tokens_.add(piece, static_cast<int>(i), vocabulary);
    if (!piece.empty()) trie_.add(piece, static_cast<int>(i));
    worst = std::min(worst, scores_.back());
  }
  unknown_score_ = worst - kUnknownPenalty;
}

int Unigram::unknown_id() const {
  if (unknown_) return *unknown_;
  fail("encode", "a character is not in the tokenizer's vocabulary, which has no unk_id");
}

void Unigram::improve(Way& way, double score, size_t begin, int id) const {
  if (way.begin < 0 || score > way.score) way = {score, static_cast<int>(begin), id};
}

std::vector<Unigram::Way> Unigram::best_ways(std::string_view text) const {
  std::vector<Way> ways(text.size() + 1);
  for (size_t at = 0; at < text.size();) {
    const double before = ways[at].score;
    const size_t bytes = first_character(text.substr(at)).bytes;
    bool known = false;
    trie_.for_prefixes(text.substr(at), [&](size_t length, int id) {
      improve(ways[at + length], before + scores_[static_cast<size_t>(id)], at, id);
      known = known || length == bytes;
    });
    if (!known) improve(ways[at + bytes], before + unknown_score_, at, unknown_id());
    at += bytes;
  }
  return ways;
}

// Adjacent unknown characters are one piece.
std::vector<std::string_view> Unigram::best_pieces(std::string_view text) const {
  const std::vector<Way> ways = best_ways(text);
  std::vector<std::string_view> pieces;
  bool unknown_before = false;
  for (size_t end = text.size(); end > 0;) {
    const Way& way = ways[end];
    const auto begin = static_cast<size_t>(way.begin);
    const bool unknown = way.id == unknown_;
    size_t piece_end = end;
    if (unknown && unknown_before) {
      piece_end += pieces.back().size();
      pieces.pop_back();
    }
    pieces.push_back(text.substr(begin, piece_end - begin));
    unknown_before = unknown;
    end = begin;
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

bool Unigram::append_bytes(std::string_view text, std::vector<int>& ids) const {
  for (char byte : text) {
    if (bytes_[static_cast<uint8_t>(byte)] < 0) return false;
  }
  for (char byte : text) ids.push_back(bytes_[static_cast<uint8_t>(byte)]);
  return true;
}

void Unigram::append_ids(std::string_view piece, std::vector<int>& ids) const {
  for (std::string_view part : best_pieces(piece)) {
    const int id = tokens_.find(part);
    if (id >= 0) {
      ids.push_back(id);
    } else if (!byte_fallback_ || !append_bytes(part, ids)) {
      ids.push_back(unknown_id());
    }
  }
}

}  // namespace anemone
