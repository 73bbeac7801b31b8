// Token ids on disk, mapped into memory: flat little-endian integers, or such behind a header of
// NumPy's or llm.c's (token_layout.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "anemone/base/file.h"
#include "anemone/data/token_layout.h"

namespace anemone {

// Bytes of one flat id: 2 for a vocabulary of at most 65,536 tokens, else 4. Nothing in the file
// says it.
int token_bytes(int64_t vocab_size);

class TokenShard {
 public:
  // `vocab_size`: of the model, whose rows may be a few more than the tokenizer's tokens. Throws
  // Error when the file is missing, empty, not a whole number of ids or of another kind, and when
  // its side file (shard_metadata.h) says another length or another vocabulary.
  static TokenShard open(const std::filesystem::path& path, int64_t vocab_size);

  int64_t size() const { return layout_.tokens; }
  int64_t vocab_size() const { return vocab_size_; }
  const std::filesystem::path& path() const { return file_.path(); }

  // The id at a position, which must be in [0, size()). Not checked against the vocabulary.
  int at(int64_t position) const;

  // Ids `first`, `first` + 1, … The whole range must be in the shard.
  void read(int64_t first, std::span<int32_t> out) const;

  // Looks at every id; throws Error naming the first one outside the vocabulary and its position.
  void check_ids() const;

  // Throws Error when the shard has fewer than `length` tokens.
  void require_window(int64_t length) const;

 private:
  TokenShard(MappedFile file, int64_t vocab_size, const TokenLayout& layout);

  // As stored: an id of 2^31 or more, or a negative one, must be seen as too large.
  uint64_t stored(int64_t position) const;

  MappedFile file_;
  int64_t vocab_size_;
  TokenLayout layout_;
};

struct ShardInfo {
  int64_t tokens = 0;
  int64_t distinct_ids = 0;
  int64_t documents = 0;  // BOS tokens
  int minimum_id = 0, maximum_id = 0;
  std::vector<std::pair<int, int64_t>> most_frequent;  // (id, count), most frequent first
};

// Counts the ids of a shard; throws like check_ids(). At most `top` ids in `most_frequent`.
ShardInfo shard_info(const TokenShard& shard, int bos = 1, int top = 10);

}  // namespace anemone
