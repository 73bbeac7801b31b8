// Text to token ids and back, whatever file the vocabulary comes from.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemone {

// How far the text of ids has come, for showing it id by id.
struct DecodeState {
  int previous = -1;   // the id before; -1: none
  bool begun = false;  // text has come
};

// Safe to use from several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual int vocab_size() const = 0;
  virtual int bos() const = 0;
  virtual int eos() const = 0;  // -1: the vocabulary has none

  // Any bytes are valid text: what the vocabulary lacks becomes byte tokens.
  virtual std::vector<int> encode(std::string_view text, bool add_bos) const = 0;

  // The text of all ids. BOS and EOS give nothing, and the space that encode() puts in front of a
  // text is dropped again. Throws Error(kInvalidInput) for an id outside the vocabulary.
  std::string decode(std::span<const int> ids) const;

  // What `id` adds to the text after the ids that `state` has seen: for streaming.
  // A byte token gives one byte, which need not be a whole character.
  std::string decode_next(DecodeState& state, int id) const;

 protected:
  // The bytes that `id`, inside the vocabulary, stands for; nothing for BOS and EOS.
  virtual std::string_view piece(int id) const = 0;

  // Whether the space that the piece of `id` begins with is dropped after `state`; says in
  // `state` when no other one will be. Here it never is.
  virtual bool drops_space(DecodeState& state, int id) const;
};

// Reads a llama2.c `tokenizer.bin` or a SentencePiece `.model`; the content tells which. A model of
// `model_vocab` (> 0) rows may have more of them than the tokenizer has tokens, not fewer.
// Throws Error when the file is neither, with what it looks like, is damaged, or has more tokens.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path, int model_vocab = 0);

}  // namespace anemone
