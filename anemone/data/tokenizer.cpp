#include "anemone/data/tokenizer.h"

#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/data/file_kind.h"
#include "anemone/data/hf_tokenizer.h"
#include "anemone/data/llama2c_tokenizer.h"
#include "anemone/data/sentencepiece_tokenizer.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

// A SentencePiece model is a protocol buffer: field 1, the first piece, with its length. A llama2.c
// file of longest piece 10 begins with the same byte, but a zero follows it there.
bool is_sentencepiece(std::string_view file) {
  return file.size() > 1 && file[0] == '\x0A' && file[1] != '\0';
}

constexpr const char* kReadable =
    "a tokenizer.json, a SentencePiece .model or a llama2.c tokenizer.bin is read";

// What to do with a file that is no tokenizer that we read.
std::string hint_for(FileKind kind) {
  switch (kind) {
    case FileKind::kGitLfsPointer:
      return "fetch the file with: git lfs pull";
    case FileKind::kWebPage:
      return "download the file itself, not the page about it";
    case FileKind::kMerges:
    case FileKind::kTiktoken:
      return "give the tokenizer.json that holds it";
    case FileKind::kLlama2cModel:
    case FileKind::kSafetensors:
    case FileKind::kGguf:
      return "it is the model; its tokenizer is another file";
    default:
      return kReadable;
  }
}

std::unique_ptr<Tokenizer> read_tokenizer(std::string_view file, const fs::path& path) {
  const std::string where = path.string();
  if (file.empty()) fail(where, "the tokenizer file is empty");
  const FileKind kind = file_kind(file);
  if (kind == FileKind::kTokenizerJson) {
    return std::make_unique<HfTokenizer>(file, where, read_named_borders(path.parent_path()));
  }
  const bool ours = kind == FileKind::kUnknown || kind == FileKind::kSentencePiece ||
                    kind == FileKind::kLlama2cTokenizer;
  if (!ours) {
    fail(where, fmt::format("looks like {}, not a tokenizer that Anemone reads", describe(kind)),
         hint_for(kind));
  }
  if (is_sentencepiece(file)) return std::make_unique<SentencePieceTokenizer>(file, where);
  if (kind == FileKind::kLlama2cTokenizer) return std::make_unique<Llama2cTokenizer>(file, where);
  try {
    return std::make_unique<Llama2cTokenizer>(file, where);
  } catch (const Error&) {
    // It does not even begin like one: sizes read from its bytes would say nothing.
    fail(where, "is neither a llama2.c tokenizer.bin nor a SentencePiece .model",
         "it is data of another kind, or damaged at its beginning");
  }
}

}  // namespace

std::string Tokenizer::decode(std::span<const int> ids) const {
  std::string text;
  DecodeState state;
  for (int id : ids) text += decode_next(state, id);
  return text;
}

std::string Tokenizer::decode_next(DecodeState& state, int id) const {
  if (id < 0 || id >= vocab_size()) {
    fail("decode", fmt::format("token {} is outside the vocabulary of {}", id, vocab_size()),
         "are the tokens from another tokenizer?");
  }
  std::string text = text_of_next(state, id);
  state.begun = state.begun || !text.empty();
  state.previous = id;
  return text;
}

std::string Tokenizer::text_of_next(DecodeState& state, int id) const {
  std::string_view text = piece(id);
  if (text.starts_with(' ') && drops_space(state, id)) text.remove_prefix(1);
  return std::string(text);
}

bool Tokenizer::drops_space(DecodeState&, int) const { return false; }

fs::path tokenizer_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  for (const char* name : {"tokenizer.model", "tokenizer.bin", "tokenizer.json"}) {
    if (fs::is_regular_file(path / name, ignored)) return path / name;
  }
  return path;
}

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& given, int model_vocab) {
  const fs::path path = tokenizer_file(given);
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    fail(path.string(), "holds no tokenizer",
         "tokenizer.model, tokenizer.bin or tokenizer.json is looked for");
  }
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  auto tokenizer =
      read_tokenizer({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
  if (model_vocab > 0 && tokenizer->vocab_size() > model_vocab) {
    fail(path.string(),
         fmt::format("has {} tokens, the model {}", tokenizer->vocab_size(), model_vocab),
         "use the tokenizer that the model was trained with");
  }
  return tokenizer;
}

}  // namespace anemone
