#include "anemone/data/shard_metadata.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "anemone/base/content_hash.h"
#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/strict_json.h"
#include "anemone/data/tokenizer.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr const char* kFormat = "anemone token shard";
constexpr int kVersion = 1;

std::string again_or_remove(const fs::path& side_file) {
  return fmt::format("tokenize the text again, or remove {}", side_file.string());
}

ShardMetadata from_json(const Json& json) {
  ShardMetadata metadata;
  metadata.tokens = json.at("tokens");
  metadata.vocab_size = json.at("vocab_size");
  metadata.token_bytes = json.at("dtype") == "uint16" ? 2 : 4;
  metadata.bos = json.at("bos");
  metadata.eos = json.at("eos");
  if (json.contains("tokenizer")) {
    metadata.tokenizer_hash = json["tokenizer"].at("xxh3_128");
    metadata.tokenizer_name = json["tokenizer"].at("file");
  }
  return metadata;
}

}  // namespace

fs::path metadata_path(const fs::path& shard) {
  fs::path path = shard;
  path += ".json";
  return path;
}

std::optional<ShardMetadata> read_shard_metadata(const fs::path& shard) {
  const fs::path path = metadata_path(shard);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  const Json json = parse_strict_json(read_file(path), path.string());
  if (!json.is_object() || json.value("format", Json()) != kFormat) {
    fail(path.string(), "does not describe the token shard that it stands beside",
         "rename it, or the shard");
  }
  if (json.value("version", Json()) != kVersion) {
    fail(path.string(), fmt::format("its version is not {}", kVersion), again_or_remove(path));
  }
  try {
    return from_json(json);
  } catch (const Json::exception& error) {
    fail(path.string(), std::string("it is damaged: ") + error.what(), again_or_remove(path));
  }
}

void write_shard_metadata(const fs::path& shard, const ShardMetadata& metadata) {
  if (!fs::is_regular_file(shard)) return;
  Json json = {{"format", kFormat},
               {"version", kVersion},
               {"tokens", metadata.tokens},
               {"dtype", metadata.token_bytes == 2 ? "uint16" : "uint32"},
               {"vocab_size", metadata.vocab_size},
               {"bos", metadata.bos},
               {"eos", metadata.eos}};
  if (!metadata.tokenizer_hash.empty()) {
    json["tokenizer"] = {{"file", metadata.tokenizer_name}, {"xxh3_128", metadata.tokenizer_hash}};
  }
  // Names need not be UTF-8.
  const auto replace = Json::error_handler_t::replace;
  write_file(metadata_path(shard), json.dump(2, ' ', false, replace) + "\n");
}

void check_metadata_place(const fs::path& shard) {
  const fs::path path = metadata_path(shard);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return;
  try {
    const Json json = parse_strict_json(read_file(path), path.string());
    if (json.is_object() && json.value("format", Json()) == kFormat) return;
  } catch (const Error&) {
    // Not ours, whatever it is.
  }
  fail(path.string(), "it is in the way of the file that describes the token shard",
       "move it, or give the shard another name");
}

void check_made_with(const fs::path& shard, const fs::path& tokenizer) {
  const std::optional<ShardMetadata> metadata = read_shard_metadata(shard);
  if (!metadata || metadata->tokenizer_hash.empty()) return;
  if (content_hash(read_file(tokenizer_file(tokenizer))) == metadata->tokenizer_hash) return;
  fail(shard.string(),
       fmt::format("was made with another tokenizer, {}, than {}", metadata->tokenizer_name,
                   tokenizer.string()),
       "give that one, or tokenize the text again");
}

}  // namespace anemone
