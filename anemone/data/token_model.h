// The model of a tokenizer.json: a vocabulary, and the tokens of a piece of text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "anemone/data/json_node.h"

namespace anemone {

// Ids beyond it are taken for damage.
constexpr int kMaxTokenId = (1 << 24) - 1;

// The tokens of a model by id and by text. Ids may have gaps.
class TokenList {
 public:
  // Throws for an id that is there already, naming `entry` of the JSON.
  void add(const std::string& token, int id, const JsonNode& entry);

  void reserve(size_t count) { ids_.reserve(count); }

  int find(std::string_view token) const;  // -1: it is none
  // Empty, also for the ids of gaps.
  const std::string& token(int id) const { return tokens_[static_cast<size_t>(id)]; }
  bool has(int id) const;
  size_t count() const { return ids_.size(); }
  int end() const { return static_cast<int>(tokens_.size()); }  // the largest id and one

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::vector<std::string> tokens_;
  std::vector<bool> there_;
  std::unordered_map<std::string, int, Hash, std::equal_to<>> ids_;
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;

  const TokenList& tokens() const { return tokens_; }

  // Appends the ids of a piece, valid UTF-8 that is not empty.
  virtual void append_ids(std::string_view piece, std::vector<int>& ids) const = 0;

  // Whether the ids of long pieces are worth remembering: those of a word are.
  static constexpr size_t kLongestRemembered = 128;

 protected:
  TokenList tokens_;
};

// Throws Error for a model of a kind that is not read.
std::unique_ptr<TokenModel> read_token_model(const JsonNode& model);

}  // namespace anemone
