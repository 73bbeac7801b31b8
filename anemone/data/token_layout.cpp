#include "anemone/data/token_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "anemone/base/error.h"
#include "anemone/data/file_kind.h"
#include "anemone/data/npy_header.h"

namespace anemone {
namespace {

// Ids that happen to be letters are this few.
constexpr size_t kLeastText = 8;

constexpr const char* kAsIds =
    "token ids are read from flat little-endian shards, NumPy .npy files and shards of llm.c";

std::string hint_for(FileKind kind) {
  switch (kind) {
    case FileKind::kGitLfsPointer:
      return "fetch the file with: git lfs pull";
    case FileKind::kWebPage:
      return "download the file itself, not the page about it";
    case FileKind::kGzip:
    case FileKind::kZstd:
    case FileKind::kXz:
    case FileKind::kBzip2:
    case FileKind::kSevenZip:
    case FileKind::kTar:
    case FileKind::kZip:
      return "unpack it first";
    case FileKind::kNpz:
    case FileKind::kTorchZip:
    case FileKind::kPickle:
    case FileKind::kParquet:
    case FileKind::kArrow:
    case FileKind::kHdf5:
      return "save the ids alone as .npy: numpy.save(\"data.npy\", ids.astype(\"uint32\"))";
    default:
      return is_text(kind) ? "make token ids of it first: anemone data tokenize" : kAsIds;
  }
}

[[noreturn]] void refuse(FileKind kind, const std::string& where) {
  fail(where, fmt::format("looks like {}, not token ids", describe(kind)), hint_for(kind));
}

// The header has said how many bytes follow it.
void check_length(std::string_view file, const TokenLayout& layout, const std::string& where) {
  const auto width = static_cast<size_t>(layout.token_bytes);
  const size_t there = file.size() - layout.begin;
  const auto tokens = static_cast<size_t>(layout.tokens);
  if (tokens <= there / width && tokens * width == there) return;
  fail(where,
       fmt::format("its header says {} tokens of {} bytes, but {} bytes follow it", layout.tokens,
                   width, there),
       "the file is truncated, or was added to");
}

int npy_token_bytes(const std::string& descr, const std::string& where) {
  constexpr std::pair<const char*, int> kTypes[] = {{"<u2", 2}, {"<u4", 4}, {"<i4", 4}, {"<i8", 8}};
  for (const auto& [name, bytes] : kTypes) {
    if (descr == name) return bytes;
  }
  fail(where,
       fmt::format("holds elements of type {}, not token ids",
                   descr.empty() ? "a structure" : "'" + descr + "'"),
       "little-endian uint16, uint32, int32 and int64 are read: ids.astype(\"<u4\")");
}

TokenLayout npy_layout(std::string_view file, const std::string& where) {
  const NpyHeader header = read_npy_header(file, where);
  TokenLayout layout{.begin = header.data_begin,
                     .token_bytes = npy_token_bytes(header.descr, where)};
  if (header.shape.size() != 1) {
    fail(where, fmt::format("has shape {}, and ids have one dimension", to_string(header.shape)),
         "save ids.ravel()");
  }
  layout.tokens = header.shape[0];
  layout.is_signed = header.descr[1] == 'i';
  check_length(file, layout, where);
  return layout;
}

TokenLayout llmc_layout(std::string_view file, const std::string& where) {
  constexpr size_t kHeaderBytes = 256 * sizeof(int32_t);
  constexpr int32_t kGpt2 = 20240520;
  if (file.size() < kHeaderBytes) {
    fail(where, fmt::format("is cut inside the {} bytes of llm.c's header", kHeaderBytes));
  }
  int32_t words[3];
  std::memcpy(words, file.data(), sizeof words);
  const auto [magic, version, tokens] = words;
  const int32_t known = magic == kGpt2 ? 1 : 7;
  if (version != known) {
    fail(where,
         fmt::format("is a token file of llm.c of version {}, and {} is read", version, known),
         "make it again with a newer llm.c");
  }
  if (tokens < 0) fail(where, fmt::format("its header says {} tokens", tokens));
  const TokenLayout layout{
      .begin = kHeaderBytes, .token_bytes = magic == kGpt2 ? 2 : 4, .tokens = tokens};
  check_length(file, layout, where);
  return layout;
}

}  // namespace

TokenLayout token_layout(std::string_view file, int flat_bytes, const std::string& where) {
  const FileKind kind = file_kind(file);
  if (kind == FileKind::kNpy) return npy_layout(file, where);
  if (kind == FileKind::kLlmcShard) return llmc_layout(file, where);
  const bool few_letters = kind == FileKind::kText && file.size() < kLeastText;
  if (kind != FileKind::kUnknown && !few_letters) refuse(kind, where);
  return flat_layout(file, flat_bytes, where);
}

TokenLayout flat_layout(std::string_view file, int flat_bytes, const std::string& where) {
  const auto width = static_cast<size_t>(flat_bytes);
  if (file.size() % width != 0) {
    fail(where,
         fmt::format("{} bytes are not a whole number of {}-byte token ids", file.size(), width),
         "the file is truncated, is no token shard, or is one of another vocabulary: ids of one of "
         "more than 65,536 tokens have 4 bytes, else 2");
  }
  return {.token_bytes = flat_bytes, .tokens = static_cast<int64_t>(file.size() / width)};
}

}  // namespace anemone
