#include "anemone/data/hf_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"
#include "anemone/data/characters.h"

namespace anemone {
namespace {

// Words that are remembered at most; then it starts again.
constexpr size_t kMostWords = 1 << 16;

// Ends of texts, where no file beside the tokenizer names one.
constexpr const char* kUsualEnds[] = {"</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>"};

}  // namespace

// One text on its way to ids.
class HfTokenizer::Encoding {
 public:
  Encoding(const HfTokenizer& tokenizer, std::vector<int>& ids)
      : tokenizer_(tokenizer),
        lock_(tokenizer.words_mutex_, std::try_to_lock),
        words_(lock_.owns_lock() ? tokenizer.words_ : own_words_),
        ids_(ids) {}

  void append(std::string_view text) {
    for (const TextSection& section : tokenizer_.added_.sections(text, /*normalized=*/false)) {
      if (section.id >= 0) {
        ids_.push_back(section.id);
      } else {
        append_normalized({std::string(text.substr(section.begin, section.end - section.begin)),
                           section.begin == 0});
      }
    }
  }

 private:
  void append_normalized(TextPiece piece) {
    tokenizer_.normalizer_.apply(piece);
    const std::vector<TextSection> sections = tokenizer_.added_.sections(piece.text, true);
    for (const TextSection& section : sections) {
      if (section.id >= 0) {
        ids_.push_back(section.id);
      } else if (sections.size() == 1) {
        append_pieces(std::move(piece));
      } else {
        append_pieces({piece.text.substr(section.begin, section.end - section.begin),
                       piece.at_start && section.begin == 0});
      }
    }
  }

  void append_pieces(TextPiece text) {
    std::vector<TextPiece> pieces;
    pieces.push_back(std::move(text));
    tokenizer_.pre_tokenizer_.apply(pieces);
    for (const TextPiece& piece : pieces) append_word(piece.text);
  }

  void append_word(const std::string& word) {
    if (word.size() > TokenModel::kLongestRemembered) {
      return tokenizer_.model_->append_ids(word, ids_);
    }
    const auto found = words_.find(word);
    if (found != words_.end()) {
      ids_.insert(ids_.end(), found->second.begin(), found->second.end());
      return;
    }
    const auto begin = static_cast<std::ptrdiff_t>(ids_.size());
    tokenizer_.model_->append_ids(word, ids_);
    if (words_.size() == kMostWords) words_.clear();
    words_.emplace(word, std::vector<int>(ids_.begin() + begin, ids_.end()));
  }

  const HfTokenizer& tokenizer_;
  std::unique_lock<std::mutex> lock_;
  Words own_words_;
  Words& words_;
  std::vector<int>& ids_;
};

HfTokenizer::HfTokenizer(std::string_view file, const std::string& where, const NamedBorders& named)
    : HfTokenizer(JsonNode(parse_strict_json(file, where), where), named) {}

// The parts in the order in which they need each other. Truncation and padding are for batches.
HfTokenizer::HfTokenizer(const JsonNode& root, const NamedBorders& named)
    : normalizer_(root.find("normalizer")),
      pre_tokenizer_(root.find("pre_tokenizer")),
      model_(read_token_model(root.at("model"))),
      added_(root.find("added_tokens"), model_->tokens(), normalizer_),
      decoder_(root.find("decoder")) {
  root.allow_only({"version", "truncation", "padding", "added_tokens", "normalizer",
                   "pre_tokenizer", "post_processor", "decoder", "model"});
  collect_tokens();
  find_borders(root, named);
}

void HfTokenizer::collect_tokens() {
  const TokenList& known = model_->tokens();
  int end = known.end();
  for (const AddedToken& token : added_.tokens()) end = std::max(end, token.id + 1);
  tokens_.resize(static_cast<size_t>(end));
  skipped_.resize(tokens_.size());
  for (int id = 0; id < known.end(); ++id) {
    tokens_[static_cast<size_t>(id)] = known.token(id);
    skipped_[static_cast<size_t>(id)] = !known.has(id);
  }
  for (const AddedToken& token : added_.tokens()) {
    tokens_[static_cast<size_t>(token.id)] = token.searched;
    skipped_[static_cast<size_t>(token.id)] = token.special;
  }
  for (size_t id = 0; id < tokens_.size(); ++id) {
    texts_.push_back(skipped_[id] ? "" : decoder_.text(tokens_[id], /*first=*/false));
  }
}

int HfTokenizer::find(const std::string& token) const {
  for (const AddedToken& added : added_.tokens()) {
    if (added.content == token) return added.id;
  }
  return token.empty() ? -1 : model_->tokens().find(token);
}

void HfTokenizer::find_borders(const JsonNode& root, const NamedBorders& named) {
  around_ = borders_of_text(root.find("post_processor"), vocab_size());
  bos_ = around_.front.empty() ? find(named.bos) : around_.front[0];
  eos_ = find(named.eos);
  ends_ = named.eos_ids;
  if (eos_ < 0 && !ends_.empty() && ends_[0] < vocab_size()) eos_ = ends_[0];
  if (eos_ < 0 && !around_.behind.empty()) eos_ = around_.behind.back();
  for (const char* usual : kUsualEnds) {
    if (eos_ < 0) eos_ = find(usual);
  }
}

bool HfTokenizer::is_end(int id) const {
  return Tokenizer::is_end(id) || std::find(ends_.begin(), ends_.end(), id) != ends_.end();
}

std::vector<int> HfTokenizer::encode(std::string_view text, bool add_bos) const {
  std::vector<int> ids;
  if (add_bos) ids = around_.front;
  if (!text.empty()) Encoding(*this, ids).append(valid_utf8(text));
  return ids;
}

std::vector<int> HfTokenizer::encode_whole(std::string_view text) const {
  std::vector<int> ids = encode(text, /*add_bos=*/true);
  ids.insert(ids.end(), around_.behind.begin(), around_.behind.end());
  return ids;
}

std::string HfTokenizer::text_of_next(DecodeState& state, int id) const {
  const auto at = static_cast<size_t>(id);
  if (skipped_[at]) return "";
  const bool first = !state.begun && decoder_.first_differs();
  std::string text = first ? decoder_.text(tokens_[at], /*first=*/true) : texts_[at];
  decoder_.drop_beginning(text, state.dropped);
  state.begun = true;
  return text;
}

}  // namespace anemone
