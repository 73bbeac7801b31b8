#include "anemone/data/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include "anemone/base/error.h"

namespace anemone {
namespace {

// What the library's own decoder gives for an unknown piece: U+2047 between spaces.
constexpr const char* kUnknownText = " \xE2\x81\x87 ";

// The pieces write a space so: U+2581.
constexpr std::string_view kMark = "\xE2\x96\x81";

std::string with_spaces(std::string_view piece) {
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
  if (processor.IsControl(id)) return "";
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
    fixed_.push_back(processor_->IsByte(id) || processor_->IsUnknown(id));
  }
  first_spaces_ = ask_first_spaces();
}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

// The settings are in a part of the file that the library's interface does not show, so it decodes.
SentencePieceTokenizer::FirstSpaces SentencePieceTokenizer::ask_first_spaces() const {
  int space = -1;
  for (int id = 0; id < vocab_size() && (space < 0 || piece(space) != " "); ++id) {
    if (!fixed_[static_cast<size_t>(id)] && piece(id).starts_with(' ')) {
      if (space < 0 || piece(id) == " ") space = id;
    }
  }
  if (space < 0) return FirstSpaces::kKept;
  std::string text;
  if (!processor_->Decode({space, space}, &text).ok()) return FirstSpaces::kKept;
  const size_t twice = 2 * piece(space).size();
  if (text.size() == twice) return FirstSpaces::kKept;
  // Only a piece that is nothing but a space can be the beginning twice.
  return text.empty() ? FirstSpaces::kDropped : FirstSpaces::kOneDropped;
}

bool SentencePieceTokenizer::drops_space(DecodeState& state, int id) const {
  const bool kept = first_spaces_ == FirstSpaces::kKept || fixed_[static_cast<size_t>(id)];
  if (state.begun || kept) return false;
  state.begun = first_spaces_ == FirstSpaces::kOneDropped;
  return true;
}

std::vector<int> SentencePieceTokenizer::encode(std::string_view text, bool add_bos) const {
  std::vector<int> ids;
  const auto status = processor_->Encode(text, &ids);
  if (!status.ok()) fail("encode", status.message());
  if (add_bos) ids.insert(ids.begin(), bos_);
  return ids;
}

}  // namespace anemone
