#include "anemone/data/token_model.h"

#include <fmt/format.h>

#include "anemone/base/strict_json.h"
#include "anemone/data/bpe.h"
#include "anemone/data/unigram.h"

namespace anemone {

void TokenList::add(const std::string& token, int id, const JsonNode& entry) {
  const auto at = static_cast<size_t>(id);
  if (at >= tokens_.size()) {
    tokens_.resize(at + 1);
    there_.resize(at + 1);
  }
  if (there_[at]) {
    entry.refuse(fmt::format("the id {} is there already, of {}", id, brief(tokens_[at])));
  }
  tokens_[at] = token;
  there_[at] = true;
  // Of a token that is there twice, as a list of pieces may have it, the last id counts.
  ids_[token] = id;
}

int TokenList::find(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

bool TokenList::has(int id) const {
  return id >= 0 && id < end() && there_[static_cast<size_t>(id)];
}

std::unique_ptr<TokenModel> read_token_model(const JsonNode& model) {
  // Files of the first versions name no type.
  const std::string type = model.text_or("type", model.find("merges") ? "BPE" : "");
  if (type == "BPE") return std::make_unique<Bpe>(model);
  if (type == "Unigram") return std::make_unique<Unigram>(model);
  if (type.empty()) model.refuse("has no \"type\"");
  model.refuse(fmt::format("the model \"{}\" is not read", type), "BPE and Unigram are");
}

}  // namespace anemone
