// What a file is by its content, for messages about a file of the wrong kind.
#pragma once

#include <string_view>

namespace anemone {

enum class FileKind {
  kUnknown,  // bytes of no kind that is known here
  kText,     // UTF-8
  kTextOfAnotherEncoding,
  kUtf16Text,
  kJson,
  kTokenizerJson,  // Hugging Face's tokenizer.json
  kTiktoken,       // lines of a piece in base64 and its rank
  kMerges,         // merges.txt of a byte-pair tokenizer
  kWebPage,
  kGitLfsPointer,
  kZip,
  kNpz,
  kTorchZip,
  kGzip,
  kZstd,
  kXz,
  kBzip2,
  kSevenZip,
  kTar,
  kPickle,
  kSafetensors,
  kGguf,
  kNpy,
  kParquet,
  kArrow,
  kHdf5,
  kSqlite,
  kPng,
  kJpeg,
  kPdf,
  kElf,
  kMachO,
  kWav,
  kSentencePiece,
  kLlama2cTokenizer,
  kLlama2cModel,
  kLlmcShard,
  kLlmcOther,  // a model, a tokenizer or an evaluation of llm.c
};

// Goes by marks at the beginning, else by the first 4,096 bytes.
FileKind file_kind(std::string_view content);

// "a PNG image"; for kUnknown "binary data".
std::string_view describe(FileKind kind);

// Text of any kind, readable by a person.
bool is_text(FileKind kind);

// Whether bytes of no known kind are not what a text holds: zeros, many control characters.
bool looks_binary(std::string_view content);

}  // namespace anemone
