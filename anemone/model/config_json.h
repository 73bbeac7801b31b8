// Reading single keys of a config.json: each says the file and the key where a value is wrong.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace anemone {

// The value of a key, or null when it is missing or null.
const nlohmann::json* find_key(const nlohmann::json& json, const char* key);

// Throw Error at `where` for a value of another kind; `missing` stands for a missing key.
int64_t require_size(const nlohmann::json& json, const char* key, const std::string& where);
int64_t size_or(const nlohmann::json& json, const char* key, int64_t missing,
                const std::string& where);
double number_or(const nlohmann::json& json, const char* key, double missing,
                 const std::string& where);
bool flag_or(const nlohmann::json& json, const char* key, bool missing, const std::string& where);

// Throws Error at `where`: "'mlp_bias' is true: Anemone cannot run such a model (hint)".
[[noreturn]] void refuse_value(const std::string& key, const nlohmann::json& value,
                               const std::string& where, const std::string& hint = "");

}  // namespace anemone
