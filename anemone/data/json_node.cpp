#include "anemone/data/json_node.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"

namespace anemone {
namespace {

using Json = nlohmann::json;

bool is_plain(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_';
  });
}

std::string joined(const std::string& path, std::string_view key) {
  if (!is_plain(key)) return fmt::format("{}[{}]", path, brief(Json(key)));
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

}  // namespace

void JsonNode::refuse(std::string_view message, std::string hint) const {
  fail(file_, path_.empty() ? std::string(message) : fmt::format("{}: {}", path_, message),
       std::move(hint));
}

std::optional<JsonNode> JsonNode::find(std::string_view key) const {
  if (!value_->is_object()) refuse(fmt::format("{} is no JSON object", brief(*value_)));
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonNode(*found, file_, joined(path_, key));
}

JsonNode JsonNode::at(std::string_view key) const {
  std::optional<JsonNode> found = find(key);
  if (!found) refuse(fmt::format("has no \"{}\"", key));
  return *std::move(found);
}

JsonNode JsonNode::at(size_t index) const {
  if (index >= size()) refuse(fmt::format("has only {} elements", size()));
  return {(*value_)[index], file_, fmt::format("{}[{}]", path_, index)};
}

size_t JsonNode::size() const {
  if (!value_->is_array()) refuse(fmt::format("{} is no JSON array", brief(*value_)));
  return value_->size();
}

std::string JsonNode::text() const {
  if (!value_->is_string()) refuse(fmt::format("{} is no string", brief(*value_)));
  return value_->get<std::string>();
}

bool JsonNode::boolean() const {
  if (!value_->is_boolean()) refuse(fmt::format("{} is neither true nor false", brief(*value_)));
  return value_->get<bool>();
}

int64_t JsonNode::integer(int64_t lowest, int64_t highest) const {
  const bool inside = value_->is_number_integer() && *value_ >= lowest && *value_ <= highest;
  if (!inside) {
    refuse(fmt::format("{} is no integer in [{}, {}]", brief(*value_), lowest, highest));
  }
  return value_->get<int64_t>();
}

std::string JsonNode::text_or(std::string_view key, std::string_view absent) const {
  const std::optional<JsonNode> found = find(key);
  return found ? found->text() : std::string(absent);
}

bool JsonNode::boolean_or(std::string_view key, bool absent) const {
  const std::optional<JsonNode> found = find(key);
  return found ? found->boolean() : absent;
}

void JsonNode::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const auto& item : value_->items()) {
    if (std::find(keys.begin(), keys.end(), item.key()) != keys.end()) continue;
    refuse(fmt::format("the setting {} is not known", brief(Json(item.key()))));
  }
}

}  // namespace anemone
