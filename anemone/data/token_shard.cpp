#include "anemone/data/token_shard.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "anemone/base/error.h"
#include "anemone/data/shard_metadata.h"

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

// As the file means it.
std::string shown(uint64_t id, const TokenLayout& layout) {
  if (!layout.is_signed) return std::to_string(id);
  return std::to_string(layout.token_bytes == 4 ? static_cast<int32_t>(id)
                                                : static_cast<int64_t>(id));
}

// Rows of a model beyond the tokenizer's tokens that merely fill it up to a round number.
int64_t most_padding(int64_t tokens) { return std::max<int64_t>(64, tokens / 16); }

// The layout that the side file and the file itself agree on.
TokenLayout checked_layout(const ShardMetadata& metadata, std::string_view content,
                           int64_t model_vocab, const std::filesystem::path& path) {
  const std::string side_file = metadata_path(path).string();
  const auto bytes = static_cast<int64_t>(content.size());
  if (metadata.tokens < 1 || metadata.tokens > bytes ||
      metadata.tokens * metadata.token_bytes != bytes) {
    fail(path.string(),
         fmt::format("has {} bytes, and {} says {} tokens of {} bytes", bytes, side_file,
                     metadata.tokens, metadata.token_bytes),
         fmt::format("the shard was cut or replaced: tokenize the text again, or remove {}",
                     side_file));
  }
  const int64_t padding = model_vocab - metadata.vocab_size;
  if (padding < 0 || padding > most_padding(metadata.vocab_size)) {
    fail(path.string(),
         fmt::format("was made with a vocabulary of {} tokens, not {}", metadata.vocab_size,
                     model_vocab),
         fmt::format("tokenize the text with the model's tokenizer; if the ids are its own "
                     "nevertheless, remove {}",
                     side_file));
  }
  return flat_layout(content, metadata.token_bytes, path.string());
}

}  // namespace

int token_bytes(int64_t vocab_size) { return vocab_size <= kMaxVocabOfTwoBytes ? 2 : 4; }

TokenShard TokenShard::open(const std::filesystem::path& path, int64_t vocab_size) {
  if (vocab_size < 1 || vocab_size > std::numeric_limits<int32_t>::max()) {
    fail(path.string(), fmt::format("a vocabulary of {} tokens makes no sense", vocab_size));
  }
  MappedFile file(path);
  const std::string_view content{reinterpret_cast<const char*>(file.bytes().data()),
                                 file.bytes().size()};
  if (content.empty()) fail(path.string(), "the token shard is empty");
  const auto metadata = read_shard_metadata(path);
  const TokenLayout layout =
      metadata ? checked_layout(*metadata, content, vocab_size, path)
               : token_layout(content, anemone::token_bytes(vocab_size), path.string());
  if (layout.tokens == 0) fail(path.string(), "the token shard is empty");
  return {std::move(file), vocab_size, layout};
}

TokenShard::TokenShard(MappedFile file, int64_t vocab_size, const TokenLayout& layout)
    : file_(std::move(file)), vocab_size_(vocab_size), layout_(layout) {}

uint64_t TokenShard::stored(int64_t position) const {
  uint64_t id = 0;  // a narrower id fills its lower bytes
  const auto width = static_cast<size_t>(layout_.token_bytes);
  const std::byte* data = file_.bytes().data() + layout_.begin;
  std::memcpy(&id, data + static_cast<size_t>(position) * width, width);
  return id;
}

int TokenShard::at(int64_t position) const {
  ANEMONE_CHECK(position >= 0 && position < size());
  return static_cast<int>(stored(position));
}

void TokenShard::read(int64_t first, std::span<int32_t> out) const {
  ANEMONE_CHECK(first >= 0 && first <= size() && out.size() <= static_cast<size_t>(size() - first));
  const std::byte* data = file_.bytes().data() + layout_.begin + first * layout_.token_bytes;
  if (layout_.token_bytes == 2) return widen<uint16_t>(data, out);
  if (layout_.token_bytes == 4) return widen<uint32_t>(data, out);
  widen<uint64_t>(data, out);
}

void TokenShard::check_ids() const {
  for (int64_t position = 0; position < size(); ++position) {
    const uint64_t id = stored(position);
    if (id >= static_cast<uint64_t>(vocab_size_)) {
      fail(fmt::format("{}, token {}", path().string(), position),
           fmt::format("id {} is outside the vocabulary of {}", shown(id, layout_), vocab_size_),
           "was the shard made with another tokenizer?");
    }
  }
}

void TokenShard::require_window(int64_t length) const {
  if (size() < length) {
    fail(path().string(),
         fmt::format("has {} tokens, fewer than the {} of one window", size(), length),
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
