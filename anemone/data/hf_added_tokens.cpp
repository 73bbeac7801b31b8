#include "anemone/data/hf_added_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "anemone/data/characters.h"

namespace anemone {
namespace {

AddedToken added_token(const JsonNode& json) {
  json.allow_only({"id", "content", "special", "normalized", "single_word", "lstrip", "rstrip"});
  if (const auto id = json.find("id")) id->integer(0, kMaxTokenId);
  AddedToken token{.content = json.at("content").text()};
  token.special = json.boolean_or("special", false);
  token.normalized = json.boolean_or("normalized", !token.special);
  token.single_word = json.boolean_or("single_word", false);
  token.lstrip = json.boolean_or("lstrip", false);
  token.rstrip = json.boolean_or("rstrip", false);
  return token;
}

bool is_single_word(std::string_view text, size_t begin, size_t end) {
  const bool left = begin > 0 && is_word_character(last_character(text.substr(0, begin)).point);
  const bool right =
      end < text.size() && is_word_character(first_character(text.substr(end)).point);
  return !left && !right;
}

// Where the white space that ends at `end` begins.
size_t white_space_before(std::string_view text, size_t end) {
  while (end > 0) {
    const Character c = last_character(text.substr(0, end));
    if (!is_white_space(c.point)) break;
    end -= c.bytes;
  }
  return end;
}

size_t white_space_behind(std::string_view text, size_t at) {
  while (at < text.size()) {
    const Character c = first_character(text.substr(at));
    if (!is_white_space(c.point)) break;
    at += c.bytes;
  }
  return at;
}

}  // namespace

HfAddedTokens::HfAddedTokens(const std::optional<JsonNode>& list, const TokenList& model,
                             const HfNormalizer& normalizer)
    : next_id_(static_cast<int>(model.count())), raw_(256), normalized_(256) {
  if (list) read(*list, model);
  for (AddedToken& token : tokens_) {
    TextPiece piece{.text = token.content};
    if (token.normalized) normalizer.apply(piece);
    token.searched = piece.text;
    if (piece.text.empty()) continue;
    Index& index = token.normalized ? normalized_ : raw_;
    index[static_cast<uint8_t>(piece.text[0])].push_back(&token);
  }
  for (Index* index : {&raw_, &normalized_}) {
    for (auto& tokens : *index) {
      std::stable_sort(tokens.begin(), tokens.end(), [](const AddedToken* a, const AddedToken* b) {
        return a->searched.size() > b->searched.size();
      });
    }
  }
}

void HfAddedTokens::read(const JsonNode& list, const TokenList& model) {
  for (size_t i = 0; i < list.size(); ++i) {
    AddedToken token = added_token(list.at(i));
    if (!token.content.empty()) add(std::move(token), model);
  }
}

void HfAddedTokens::add(AddedToken token, const TokenList& model) {
  const auto [place, is_new] = places_.try_emplace(token.content, tokens_.size());
  if (!is_new) {
    AddedToken& same = tokens_[place->second];
    token.id = same.id;
    same = std::move(token);
    return;
  }
  token.id = model.find(token.content);
  if (token.id < 0) token.id = next_id_;
  next_id_ = std::max(next_id_, token.id + 1);
  tokens_.push_back(std::move(token));
}

const AddedToken* HfAddedTokens::find_at(const Index& index, std::string_view text) {
  for (const AddedToken* token : index[static_cast<uint8_t>(text[0])]) {
    if (text.starts_with(token->searched)) return token;
  }
  return nullptr;
}

std::vector<TextSection> HfAddedTokens::sections(std::string_view text, bool normalized) const {
  const Index& index = normalized ? normalized_ : raw_;
  std::vector<TextSection> all;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* found = find_at(index, text.substr(at));
    if (found == nullptr) {
      ++at;
      continue;
    }
    const AddedToken& token = *found;
    size_t begin = at, end = at += token.searched.size();
    if (token.single_word && !is_single_word(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(white_space_before(text, begin), done);
    if (token.rstrip) end = white_space_behind(text, end);
    // One that takes what is before it is nothing where the one before has taken all of it.
    if (begin >= end) continue;
    if (done < begin) all.push_back({done, begin, -1});
    all.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) all.push_back({done, text.size(), -1});
  return all;
}

}  // namespace anemone
