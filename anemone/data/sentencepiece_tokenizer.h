// SentencePiece vocabularies: reading a `.model`, and training one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/data/tokenizer.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace anemone {

// Unlike llama2.c's, the library replaces bytes that are not UTF-8 by U+FFFD. Decoding gives the
// library's text: the space at its beginning goes where the vocabulary adds one or joins them.
class SentencePieceTokenizer : public Tokenizer {
 public:
  // `file` is the whole content, `where` names it in errors.
  SentencePieceTokenizer(std::string_view file, const std::string& where);
  ~SentencePieceTokenizer() override;

  int vocab_size() const override { return static_cast<int>(texts_.size()); }
  int bos() const override { return bos_; }
  int eos() const override { return eos_; }
  std::vector<int> encode(std::string_view text, bool add_bos) const override;

 protected:
  std::string_view piece(int id) const override { return texts_[static_cast<size_t>(id)]; }
  bool drops_space(DecodeState& state, int id) const override;

 private:
  // Spaces at the beginning of a text that decoding drops.
  enum class FirstSpaces { kKept, kOneDropped, kDropped };
  FirstSpaces ask_first_spaces() const;

  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  std::vector<std::string> texts_;  // what each id decodes to
  std::vector<bool> fixed_;         // pieces that keep their space everywhere: bytes, <unk>
  FirstSpaces first_spaces_ = FirstSpaces::kOneDropped;
  int bos_ = 1, eos_ = 2;
};

// Trains a byte-pair vocabulary the way Llama's was: byte fallback, digits apart, white space kept,
// <unk> 0, BOS 1, EOS 2. The text is stories (stories_text.h). The same text and size always give
// the same model. Writes `output_path` in one piece. Returns notes on lines that were cut or left
// out, a sentence each. The library works in a process of its own, which it may end.
// Throws Error when the size is too small for bytes and characters, or too large for the text, when
// the file holds no text, and when the library ends its process.
std::vector<std::string> train_sentencepiece(const std::filesystem::path& text_path, int vocab_size,
                                             const std::filesystem::path& output_path);

}  // namespace anemone
