// Text to token ids and back, whatever file the vocabulary comes from.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemone {

// Safe to use from several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual int vocab_size() const = 0;
  virtual int bos() const = 0;
  virtual int eos() const = 0;  // -1: the vocabulary has none

  // Any bytes are valid text: what the vocabulary lacks becomes byte tokens.
  virtual std::vector<int> encode(std::string_view text, bool add_bos) const = 0;

  // The text of all ids. BOS and EOS give nothing, and the first piece after BOS loses its leading
  // space, which encode() put there. Throws Error(kInvalidInput) for an id outside the vocabulary.
  std::string decode(std::span<const int> ids) const;

  // What `id` adds to the text when it follows `previous` (-1 at the start): for streaming.
  // A byte token gives one byte, which need not be a whole character.
  std::string decode_next(int previous, int id) const;

 protected:
  // The bytes that `id`, inside the vocabulary, stands for; nothing for BOS and EOS.
  virtual std::string_view piece(int id) const = 0;
};

// Reads a llama2.c `tokenizer.bin` or a SentencePiece `.model`; the content tells which.
// Throws Error when the file is neither, is damaged, or has not `expected_vocab` (> 0) tokens.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path,
                                          int expected_vocab = 0);

}  // namespace anemone
