// The side file of a token shard, SHARD.json: what the shard alone does not say.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace anemone {

struct ShardMetadata {
  int64_t tokens = 0;
  int token_bytes = 2;  // "dtype": "uint16" or "uint32"
  int64_t vocab_size = 0;
  std::string tokenizer_hash = {};  // content_hash() of the tokenizer's file; empty: not known
  std::string tokenizer_name = {};  // its file name
  int bos = 1, eos = 2;             // -1: none
};

// "train.bin" has "train.bin.json".
std::filesystem::path metadata_path(const std::filesystem::path& shard);

// Nothing where there is no side file. Throws Error for one that is damaged or not ours.
std::optional<ShardMetadata> read_shard_metadata(const std::filesystem::path& shard);

// Replaces the side file in one piece. A shard that is no regular file (/dev/stdout) has none.
void write_shard_metadata(const std::filesystem::path& shard, const ShardMetadata& metadata);

// Throws Error where a shard may not be written because its side file would take the place of a
// file that is not ours.
void check_metadata_place(const std::filesystem::path& shard);

// Throws Error where the side file of `shard` names another tokenizer than the file `tokenizer`.
void check_made_with(const std::filesystem::path& shard, const std::filesystem::path& tokenizer);

}  // namespace anemone
