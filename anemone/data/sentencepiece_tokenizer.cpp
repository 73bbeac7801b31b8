#include "anemone/data/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include "anemone/base/error.h"

namespace anemone {
namespace {

// What the library's own decoder gives for an unknown piece: U+2047 between spaces.
constexpr const char* kUnknownText = " \xE2\x81\x87 ";

// The pieces write a space as U+2581.
std::string with_spaces(std::string_view piece) {
  constexpr std::string_view kMark = "\xE2\x96\x81";
  std::string text;
  for (size_t i = 0; i < piece.size();) {
    const bool mark = piece.substr(i).starts_with(kMark);
    text += mark ? ' ' : piece[i];
    i += mark ? kMark.size() : 1;
  }
  return text;
}

// "<0x41>" is "A".
std::string byte_text(const std::string& piece) {
  return std::string(1, static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16)));
}

std::string text_of_piece(const sentencepiece::SentencePieceProcessor& processor, int id) {
  const std::string& piece = processor.IdToPiece(id);
  if (processor.IsControl(id) || processor.IsUnused(id)) return "";
  if (processor.IsUnknown(id)) return kUnknownText;
  if (processor.IsByte(id) && piece.size() == 6) return byte_text(piece);
  return with_spaces(piece);
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(std::string_view file, const std::string& where)
    : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  const auto status = processor_->LoadFromSerializedProto(file);
  if (!status.ok()) {
    fail(where, "is not a SentencePiece model that can be read",
         "the file is damaged, or of another kind");
  }
  bos_ = processor_->bos_id();
  eos_ = processor_->eos_id();
  if (bos_ < 0) fail(where, "the SentencePiece model has no BOS token", "train it with --bos_id=1");
  for (int id = 0; id < processor_->GetPieceSize(); ++id) {
    texts_.push_back(text_of_piece(*processor_, id));
  }
}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

std::vector<int> SentencePieceTokenizer::encode(std::string_view text, bool add_bos) const {
  std::vector<int> ids;
  const auto status = processor_->Encode(text, &ids);
  if (!status.ok()) fail("encode", status.message());
  if (add_bos) ids.insert(ids.begin(), bos_);
  return ids;
}

}  // namespace anemone
