#include "anemone/data/tokenizer.h"

#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/data/llama2c_tokenizer.h"
#include "anemone/data/sentencepiece_tokenizer.h"

namespace anemone {
namespace {

// A SentencePiece model is a protocol buffer: field 1, the first piece, with its length. A llama2.c
// file of longest piece 10 begins with the same byte, but a zero follows it there.
bool is_sentencepiece(std::string_view file) {
  return file.size() > 1 && file[0] == '\x0A' && file[1] != '\0';
}

std::unique_ptr<Tokenizer> read_tokenizer(std::string_view file, const std::string& where) {
  if (file.empty()) fail(where, "the tokenizer file is empty");
  if (file[0] == '{') {
    fail(where, "Hugging Face tokenizer.json files are not supported yet",
         "use a llama2.c tokenizer.bin or a SentencePiece .model");
  }
  if (is_sentencepiece(file)) return std::make_unique<SentencePieceTokenizer>(file, where);
  return std::make_unique<Llama2cTokenizer>(file, where);
}

}  // namespace

std::string Tokenizer::decode(std::span<const int> ids) const {
  std::string text;
  int previous = -1;
  for (int id : ids) {
    text += decode_next(previous, id);
    previous = id;
  }
  return text;
}

std::string Tokenizer::decode_next(int previous, int id) const {
  if (id < 0 || id >= vocab_size()) {
    fail("decode", fmt::format("token {} is outside the vocabulary of {}", id, vocab_size()),
         "are the tokens from another tokenizer?");
  }
  if (id == bos() || id == eos()) return "";
  std::string_view text = piece(id);
  if (previous == bos() && text.starts_with(' ')) text.remove_prefix(1);
  return std::string(text);
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path, int expected_vocab) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  auto tokenizer =
      read_tokenizer({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
  if (expected_vocab > 0 && tokenizer->vocab_size() != expected_vocab) {
    fail(path.string(),
         fmt::format("has {} tokens, the model {}", tokenizer->vocab_size(), expected_vocab),
         "use the tokenizer that the model was trained with");
  }
  return tokenizer;
}

}  // namespace anemone
