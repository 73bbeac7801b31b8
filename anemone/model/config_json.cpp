#include "anemone/model/config_json.h"

#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"

namespace anemone {

using Json = nlohmann::json;

const Json* find_key(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

int64_t require_size(const Json& json, const char* key, const std::string& where) {
  const Json* value = find_key(json, key);
  if (!value) fail(where, fmt::format("has no '{}'", key));
  if (!value->is_number_integer() || *value < 0 || *value > INT32_MAX) {
    fail(where, fmt::format("'{}' is {}, not a size", key, brief(*value)));
  }
  return value->get<int64_t>();
}

int64_t size_or(const Json& json, const char* key, int64_t missing, const std::string& where) {
  return find_key(json, key) ? require_size(json, key, where) : missing;
}

double number_or(const Json& json, const char* key, double missing, const std::string& where) {
  const Json* value = find_key(json, key);
  if (!value) return missing;
  if (!value->is_number()) fail(where, fmt::format("'{}' is {}, not a number", key, brief(*value)));
  return value->get<double>();
}

bool flag_or(const Json& json, const char* key, bool missing, const std::string& where) {
  const Json* value = find_key(json, key);
  if (!value) return missing;
  if (!value->is_boolean()) {
    fail(where, fmt::format("'{}' is {}, neither true nor false", key, brief(*value)));
  }
  return value->get<bool>();
}

void refuse_value(const std::string& key, const Json& value, const std::string& where,
                  const std::string& hint) {
  fail(where, fmt::format("'{}' is {}: Anemone cannot run such a model", key, brief(value)), hint);
}

}  // namespace anemone
