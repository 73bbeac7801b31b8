// Values of a JSON file with their place in it, for errors that name what they are about.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace anemone {

// Borrows the value. Every accessor throws Error at the file for a value of another type; its
// message begins with the place in the JSON, for example `model.merges[3]`.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, std::string file, std::string path = "")
      : value_(&value), file_(std::move(file)), path_(std::move(path)) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& path() const { return path_; }

  // A member of an object; find() gives nothing where it is absent or null.
  JsonNode at(std::string_view key) const;
  std::optional<JsonNode> find(std::string_view key) const;
  JsonNode at(size_t index) const;
  size_t size() const;  // of an array

  std::string text() const;
  bool boolean() const;
  int64_t integer(int64_t lowest, int64_t highest) const;
  std::string text_or(std::string_view key, std::string_view absent) const;
  bool boolean_or(std::string_view key, bool absent) const;

  // Throws for an object with another key: a setting that is not known may change everything.
  void allow_only(std::initializer_list<std::string_view> keys) const;

  // Throws for a value that is not understood.
  [[noreturn]] void refuse(std::string_view message, std::string hint = "") const;

 private:
  const nlohmann::json* value_;
  std::string file_, path_;
};

}  // namespace anemone
