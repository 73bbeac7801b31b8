#include "anemone/data/token_shard.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "anemone/base/error.h"

namespace anemone {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are little-endian");

constexpr int64_t kMaxVocabOfTwoBytes = 65536;

template <typename Id>
void widen(const std::byte* data, std::span<int32_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    Id id;
    std::memcpy(&id, data + i * sizeof(Id), sizeof id);
    out[i] = static_cast<int32_t>(id);
  }
}

}  // namespace

int token_bytes(int64_t vocab_size) { return vocab_size <= kMaxVocabOfTwoBytes ? 2 : 4; }

TokenShard TokenShard::open(const std::filesystem::path& path, int64_t vocab_size) {
  if (vocab_size < 1 || vocab_size > std::numeric_limits<int32_t>::max()) {
    fail(path.string(), fmt::format("a vocabulary of {} tokens makes no sense", vocab_size));
  }
  MappedFile file(path);
  const size_t bytes = file.bytes().size();
  if (bytes == 0) fail(path.string(), "the token shard is empty");
  const int width = token_bytes(vocab_size);
  if (bytes % static_cast<size_t>(width) != 0) {
    fail(path.string(),
         fmt::format("{} bytes are not a whole number of {}-byte token ids", bytes, width),
         fmt::format("with a vocabulary of {} an id has {} bytes; the file is truncated or no "
                     "token shard",
                     vocab_size, width));
  }
  return {std::move(file), vocab_size};
}

TokenShard::TokenShard(MappedFile file, int64_t vocab_size)
    : file_(std::move(file)), vocab_size_(vocab_size), token_bytes_(token_bytes(vocab_size)) {
  size_ = static_cast<int64_t>(file_.bytes().size()) / token_bytes_;
}

uint32_t TokenShard::stored(int64_t position) const {
  uint32_t id = 0;  // a 2-byte id fills its lower half
  const auto width = static_cast<size_t>(token_bytes_);
  std::memcpy(&id, file_.bytes().data() + static_cast<size_t>(position) * width, width);
  return id;
}

int TokenShard::at(int64_t position) const {
  ANEMONE_CHECK(position >= 0 && position < size_);
  return static_cast<int>(stored(position));
}

void TokenShard::read(int64_t first, std::span<int32_t> out) const {
  ANEMONE_CHECK(first >= 0 && first <= size_ && out.size() <= static_cast<size_t>(size_ - first));
  const std::byte* data = file_.bytes().data() + first * token_bytes_;
  token_bytes_ == 2 ? widen<uint16_t>(data, out) : widen<uint32_t>(data, out);
}

void TokenShard::check_ids() const {
  for (int64_t position = 0; position < size_; ++position) {
    const uint32_t id = stored(position);
    if (id >= vocab_size_) {
      fail(fmt::format("{}, token {}", path().string(), position),
           fmt::format("id {} is outside the vocabulary of {}", id, vocab_size_),
           "was the shard made with another tokenizer?");
    }
  }
}

void TokenShard::require_window(int64_t length) const {
  if (size_ < length) {
    fail(path().string(),
         fmt::format("has {} tokens, fewer than the {} of one window", size_, length),
         "use more text or a shorter sequence");
  }
}

ShardInfo shard_info(const TokenShard& shard, int bos, int top) {
  shard.check_ids();
  // Not a table of the vocabulary: that may be given as two billion by mistake.
  std::unordered_map<int, int64_t> counts;
  for (int64_t i = 0; i < shard.size(); ++i) ++counts[shard.at(i)];

  ShardInfo info;
  info.tokens = shard.size();
  info.distinct_ids = static_cast<int64_t>(counts.size());
  if (counts.count(bos)) info.documents = counts.at(bos);
  info.most_frequent.assign(counts.begin(), counts.end());
  std::sort(info.most_frequent.begin(), info.most_frequent.end());
  info.minimum_id = info.most_frequent.front().first;
  info.maximum_id = info.most_frequent.back().first;
  std::stable_sort(info.most_frequent.begin(), info.most_frequent.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  const auto kept = static_cast<size_t>(std::max(top, 0));
  if (info.most_frequent.size() > kept) info.most_frequent.resize(kept);
  return info;
}

}  // namespace anemone
