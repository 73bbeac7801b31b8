#include "anemone/data/llama2c_tokenizer.h"

#include <fmt/format.h>

#include <cstring>
#include <queue>

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

uint64_t pair_key(int left, int right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// Repeats run.c's step "replace the best-scoring pair of neighbours, the leftmost of equals" until
// no pair is a piece. A heap of candidates and a linked list make each step O(log n).
class Merger {
 public:
  Merger(const std::unordered_map<uint64_t, int>& merges, const std::vector<float>& scores,
         const std::vector<int>& ids)
      : merges_(merges), scores_(scores) {
    const auto count = static_cast<int>(ids.size());
    for (int i = 0; i < count; ++i) {
      symbols_.push_back({ids[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1});
    }
    for (int i = 0; i + 1 < count; ++i) consider(i);
  }

  std::vector<int> run() {
    while (!candidates_.empty()) {
      const Candidate best = candidates_.top();
      candidates_.pop();
      if (is_current(best)) merge(best);
    }
    std::vector<int> ids;
    for (int i = symbols_.empty() ? -1 : 0; i >= 0; i = at(i).next) ids.push_back(at(i).id);
    return ids;
  }

 private:
  struct Symbol {
    int id, previous, next;  // id -1: merged into an earlier one
  };
  struct Candidate {
    float score;
    int position, left, right, merged;
    bool operator<(const Candidate& other) const {
      return score != other.score ? score < other.score : position > other.position;
    }
  };

  Symbol& at(int position) { return symbols_[static_cast<size_t>(position)]; }

  // The pair that starts at `position`.
  void consider(int position) {
    const Symbol& left = at(position);
    if (left.next < 0) return;
    const int right = at(left.next).id;
    const auto found = merges_.find(pair_key(left.id, right));
    if (found == merges_.end()) return;
    const float score = scores_[static_cast<size_t>(found->second)];
    if (score > kWorstScore) {
      candidates_.push({score, position, left.id, right, found->second});
    }
  }

  bool is_current(const Candidate& candidate) {
    const Symbol& left = at(candidate.position);
    return left.id == candidate.left && left.next >= 0 && at(left.next).id == candidate.right;
  }

  void merge(const Candidate& best) {
    Symbol& left = at(best.position);
    Symbol& right = at(left.next);
    left.id = best.merged;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) at(left.next).previous = best.position;
    if (left.previous >= 0) consider(left.previous);
    consider(best.position);
  }

  const std::unordered_map<uint64_t, int>& merges_;
  const std::vector<float>& scores_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate> candidates_;
};

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
  for (const auto& [piece, id] : ids_) {
    for (size_t split = 1; split < piece.size(); ++split) {
      const int left = find(piece.substr(0, split)), right = find(piece.substr(split));
      if (left >= 0 && right >= 0) merges_[pair_key(left, right)] = id;
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
  return Merger(merges_, scores_, ids).run();
}

}  // namespace anemone
