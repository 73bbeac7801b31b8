#include "anemone/data/llama2c_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>

#include "anemone/base/error.h"

namespace anemone {
namespace {

constexpr int kFirstByte = 3;  // the id of <0x00>
constexpr int kFixedPieces = kFirstByte + 256;
constexpr int kMaxVocab = 1 << 22;

// Finding the merges takes time with the square of a piece's length. Real pieces have up to 48.
constexpr int kMaxPieceBytes = 256;

// run.c starts its search for the best pair at this score.
constexpr float kWorstScore = -1e10f;

constexpr const char* kHint = "is this a llama2.c tokenizer.bin?";

template <typename T>
T read_value(std::string_view file, size_t& position, const std::string& where) {
  if (file.size() - position < sizeof(T)) {
    fail(where, fmt::format("ends in the middle of a token at byte {}", position), kHint);
  }
  T value;
  std::memcpy(&value, file.data() + position, sizeof value);
  position += sizeof value;
  return value;
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

bool can_merge(float score) { return score > kWorstScore; }  // not NaN either

// For each score how many different ones are better: run.c merges the pair with the best one.
std::vector<int> ranks_of(const std::vector<float>& scores) {
  std::vector<float> best;
  std::copy_if(scores.begin(), scores.end(), std::back_inserter(best), can_merge);
  std::sort(best.begin(), best.end(), std::greater<>());
  best.erase(std::unique(best.begin(), best.end()), best.end());
  std::vector<int> ranks;
  for (float score : scores) {
    const auto at = std::lower_bound(best.begin(), best.end(), score, std::greater<>());
    ranks.push_back(static_cast<int>(at - best.begin()));
  }
  return ranks;
}

}  // namespace

Llama2cTokenizer::Llama2cTokenizer(std::string_view file, const std::string& where) {
  read_pieces(file, where);
  check_fixed_pieces(where);
  index_pieces();
}

void Llama2cTokenizer::read_pieces(std::string_view file, const std::string& where) {
  size_t position = 0;
  const auto longest = read_value<int32_t>(file, position, where);
  if (longest < 1 || longest > kMaxPieceBytes) {
    fail(where, "is neither a llama2.c tokenizer.bin nor a SentencePiece .model",
         "it is data of another kind, or damaged at its beginning");
  }
  while (position < file.size()) {
    const size_t start = position;
    const auto score = read_value<float>(file, position, where);
    const auto length = read_value<int32_t>(file, position, where);
    if (length < 0 || length > longest || static_cast<size_t>(length) > file.size() - position ||
        pieces_.size() == kMaxVocab) {
      fail(where,
           fmt::format("token {} at byte {} has a length of {}", pieces_.size(), start, length),
           kHint);
    }
    scores_.push_back(score);
    pieces_.emplace_back(file.substr(position, static_cast<size_t>(length)));
    position += static_cast<size_t>(length);
  }
}

void Llama2cTokenizer::check_fixed_pieces(const std::string& where) const {
  if (pieces_.size() < kFixedPieces) {
    fail(where,
         fmt::format("has {} tokens, fewer than the {} special and byte tokens", pieces_.size(),
                     kFixedPieces),
         kHint);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const int id = kFirstByte + byte;
    const std::string expected = fmt::format("<0x{:02X}>", byte);
    if (pieces_[static_cast<size_t>(id)] != expected) {
      fail(where, fmt::format("token {} is not the byte token {}", id, expected), kHint);
    }
  }
}

void Llama2cTokenizer::index_pieces() {
  texts_ = pieces_;
  texts_[1] = texts_[2] = "";
  for (int byte = 0; byte < 256; ++byte) {
    texts_[static_cast<size_t>(kFirstByte + byte)] = std::string(1, static_cast<char>(byte));
  }
  for (size_t id = 0; id < pieces_.size(); ++id) ids_.emplace(pieces_[id], static_cast<int>(id));
  const std::vector<int> ranks = ranks_of(scores_);
  for (const auto& [piece, id] : ids_) {
    const auto at = static_cast<size_t>(id);
    if (!can_merge(scores_[at])) continue;
    for (size_t split = 1; split < piece.size(); ++split) {
      const int left = find(piece.substr(0, split)), right = find(piece.substr(split));
      if (left >= 0 && right >= 0) merges_.set(left, right, ranks[at], id);
    }
  }
}

int Llama2cTokenizer::find(std::string_view piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? -1 : found->second;
}

// One id a code point, or one a byte where the vocabulary lacks it. Broken UTF-8 is cut the way
// run.c cuts it: after a byte that no continuation byte follows, and after four.
void Llama2cTokenizer::append_code_points(std::string_view text, std::vector<int>& ids) const {
  for (size_t begin = 0, end; begin < text.size(); begin = end) {
    end = begin + 1;
    while (end < text.size() && end - begin < 4 && is_continuation(text[end])) ++end;
    const std::string_view code_point = text.substr(begin, end - begin);
    const int id = find(code_point);
    if (id >= 0) {
      ids.push_back(id);
      continue;
    }
    for (char byte : code_point) ids.push_back(static_cast<unsigned char>(byte) + kFirstByte);
  }
}

std::vector<int> Llama2cTokenizer::encode(std::string_view text, bool add_bos) const {
  std::vector<int> ids;
  if (add_bos) ids.push_back(bos());
  if (!text.empty()) {
    append_code_points(" ", ids);
    append_code_points(text, ids);
  }
  std::vector<int> merged;
  merges_.append_merged(ids, merged);
  return merged;
}

}  // namespace anemone
