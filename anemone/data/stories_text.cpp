#include "anemone/data/stories_text.h"

#include <fmt/format.h>

#include <vector>

#include "anemone/base/content_hash.h"
#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/data/file_kind.h"
#include "anemone/data/shard_metadata.h"
#include "anemone/data/token_shard.h"

namespace anemone {
namespace {

// A tokenizer takes some 50 bytes of memory for each byte of one story.
constexpr size_t kMaxStoryBytes = size_t{1} << 26;

// What Python's bytes.strip() removes: the published shards were made with it.
constexpr std::string_view kSpace = " \t\n\v\f\r";

std::string_view strip(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// The next newline with no other beside it, white space apart; npos: none.
size_t single_newline(std::string_view text) {
  for (size_t at = text.find('\n'); at != std::string_view::npos;) {
    const size_t next = text.find_first_not_of(" \t\r", at + 1);
    if (next == std::string_view::npos || text[next] != '\n') return at;
    const size_t paragraph = text.find_first_not_of(kSpace, next);
    if (paragraph == std::string_view::npos) return paragraph;
    at = text.find('\n', paragraph);
  }
  return std::string_view::npos;
}

template <typename Id>
void write_ids(FileWriter& writer, const std::vector<int>& ids) {
  const std::vector<Id> narrow(ids.begin(), ids.end());
  writer.write(narrow.data(), narrow.size() * sizeof(Id));
}

ShardMetadata metadata_of(const StoryCounts& counts, const Tokenizer& tokenizer,
                          const std::filesystem::path& tokenizer_path) {
  ShardMetadata metadata{.tokens = counts.tokens,
                         .token_bytes = token_bytes(tokenizer.vocab_size()),
                         .vocab_size = tokenizer.vocab_size(),
                         .bos = tokenizer.bos(),
                         .eos = tokenizer.eos()};
  if (!tokenizer_path.empty()) {
    const std::filesystem::path file = tokenizer_file(tokenizer_path);
    metadata.tokenizer_hash = content_hash(read_file(file));
    metadata.tokenizer_name = file.filename().string();
  }
  return metadata;
}

}  // namespace

void for_each_story(std::string_view text, const std::function<void(std::string_view)>& use) {
  const bool separated = text.find(kStorySeparator) != std::string_view::npos;
  const size_t separator_bytes = separated ? kStorySeparator.size() : 1;
  while (!text.empty()) {
    const size_t end = separated ? text.find(kStorySeparator) : single_newline(text);
    const std::string_view story = strip(text.substr(0, end));
    if (!story.empty()) use(story);
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + separator_bytes);
  }
}

void require_text(std::string_view content, const std::filesystem::path& path) {
  const FileKind kind = file_kind(content);
  if (kind == FileKind::kGitLfsPointer) {
    fail(path.string(), fmt::format("looks like {}", describe(kind)),
         "fetch the file with: git lfs pull");
  }
  if (kind == FileKind::kUtf16Text) {
    fail(path.string(), fmt::format("looks like {}, and UTF-8 is read", describe(kind)),
         "convert it: iconv -f UTF-16 -t UTF-8");
  }
  if (is_text(kind) || (kind == FileKind::kUnknown && !looks_binary(content))) return;
  fail(path.string(), fmt::format("looks like {}, not text", describe(kind)),
       "give the text itself");
}

StoryCounts tokenize_file(const std::filesystem::path& text_path, const Tokenizer& tokenizer,
                          const std::filesystem::path& shard_path,
                          const std::filesystem::path& tokenizer_path) {
  const MappedFile file(text_path);
  const std::string_view text{reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size()};
  require_text(text, text_path);
  check_metadata_place(shard_path);
  StoryCounts counts{.bytes = static_cast<int64_t>(text.size())};
  FileWriter writer(shard_path);
  // Some border has to be between two stories.
  const bool ends_stories = tokenizer.encode_whole("").empty() && tokenizer.eos() >= 0;
  for_each_story(text, [&](std::string_view story) {
    if (story.size() > kMaxStoryBytes) {
      fail(text_path.string(),
           fmt::format("story {} has {} bytes, more than {}", counts.stories + 1, story.size(),
                       kMaxStoryBytes),
           fmt::format("put {} between the documents", kStorySeparator));
    }
    std::vector<int> ids = tokenizer.encode_whole(story);
    if (ends_stories) ids.push_back(tokenizer.eos());
    token_bytes(tokenizer.vocab_size()) == 2 ? write_ids<uint16_t>(writer, ids)
                                             : write_ids<uint32_t>(writer, ids);
    ++counts.stories;
    counts.tokens += static_cast<int64_t>(ids.size());
  });
  if (counts.stories == 0) fail(text_path.string(), "has no text to tokenize");
  // Never beside a shard that it does not describe.
  std::error_code ignored;
  std::filesystem::remove(metadata_path(shard_path), ignored);
  writer.commit();
  write_shard_metadata(shard_path, metadata_of(counts, tokenizer, tokenizer_path));
  return counts;
}

}  // namespace anemone
