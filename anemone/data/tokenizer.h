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
  int dropped = 0;     // characters that decoding has dropped at the beginning
};

// Safe to use from several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual int vocab_size() const = 0;
  // The tokens that begin and end a text; -1: the vocabulary has none.
  virtual int bos() const = 0;
  virtual int eos() const = 0;

  // Whether a text ends with `id`: with eos(), and a vocabulary may have more of them.
  virtual bool is_end(int id) const { return id >= 0 && id == eos(); }

  // Any bytes are valid text: what the vocabulary lacks becomes byte tokens. `add_bos` adds what
  // the vocabulary begins a text with, which may be nothing.
  virtual std::vector<int> encode(std::string_view text, bool add_bos) const = 0;

  // A text that is whole, like a document to train on: also with what the vocabulary puts behind a
  // text, which may be nothing.
  virtual std::vector<int> encode_whole(std::string_view text) const {
    return encode(text, /*add_bos=*/true);
  }

  // The text of all ids. BOS, EOS and their like give nothing, and the space that encode() puts in
  // front of a text is dropped again. Throws Error(kInvalidInput) for an id outside the vocabulary.
  std::string decode(std::span<const int> ids) const;

  // What `id` adds to the text after the ids that `state` has seen: for streaming. It need not be
  // whole characters (stream_decoder.h holds halves back).
  std::string decode_next(DecodeState& state, int id) const;

 protected:
  // The bytes that `id`, inside the vocabulary, stands for; nothing for BOS and EOS.
  virtual std::string_view piece(int id) const = 0;

  // What `id`, inside the vocabulary, adds to the text; says in `state` what later ids need.
  virtual std::string text_of_next(DecodeState& state, int id) const;

  // Whether the space that the piece of `id` begins with is dropped after `state`; says in
  // `state` when no other one will be. Here it never is.
  virtual bool drops_space(DecodeState& state, int id) const;
};

// The file of the tokenizer: `path` itself, or what a directory holds of tokenizer.model,
// tokenizer.bin and tokenizer.json, the first of them; `path` where it holds none.
std::filesystem::path tokenizer_file(const std::filesystem::path& path);

// Reads a llama2.c `tokenizer.bin`, a SentencePiece `.model` or Hugging Face's `tokenizer.json`,
// with the files beside it that name BOS and EOS; the content tells which. A directory stands for
// the tokenizer in it. A model of `model_vocab` (> 0) rows may have more of them than the tokenizer
// has tokens, not fewer.
// Throws Error when the file is none of them, with what it looks like, is damaged, or has more
// tokens.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path, int model_vocab = 0);

}  // namespace anemone
