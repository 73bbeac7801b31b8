// Values of a template: what Python objects a chat template works with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace anemone {

class JinjaValue;
struct JinjaNode;
using JinjaList = std::vector<JinjaValue>;

// A name that stands for nothing: prints as nothing, and has no attributes.
struct JinjaUndefined {
  std::string name;
};

// One of the functions that every template knows.
struct JinjaFunction {
  std::string name;
};

// A dictionary with keys in order, or what namespace() makes.
struct JinjaMap {
  std::vector<std::pair<std::string, JinjaValue>> entries;
  bool is_namespace = false;  // attributes can be set

  const JinjaValue* find(std::string_view key) const;  // null: none
  void set(std::string_view key, JinjaValue value);
};

// Lists and maps are shared, as in Python; only namespaces change.
class JinjaValue {
 public:
  using Variant = std::variant<JinjaUndefined, std::nullptr_t, bool, int64_t, std::string,
                               std::shared_ptr<const JinjaList>, std::shared_ptr<JinjaMap>,
                               const JinjaNode*, JinjaFunction>;

  JinjaValue() = default;
  explicit JinjaValue(JinjaUndefined undefined) : value_(std::move(undefined)) {}
  explicit JinjaValue(JinjaFunction function) : value_(std::move(function)) {}
  explicit JinjaValue(bool value) : value_(value) {}
  explicit JinjaValue(int64_t value) : value_(value) {}
  explicit JinjaValue(std::string text) : value_(std::move(text)) {}
  explicit JinjaValue(JinjaList list)
      : value_(std::make_shared<const JinjaList>(std::move(list))) {}
  explicit JinjaValue(JinjaMap map) : value_(std::make_shared<JinjaMap>(std::move(map))) {}
  explicit JinjaValue(const JinjaNode* macro) : value_(macro) {}  // borrowed from the template
  static JinjaValue none() {
    JinjaValue value;
    value.value_ = nullptr;
    return value;
  }

  bool is_undefined() const { return std::holds_alternative<JinjaUndefined>(value_); }
  bool is_none() const { return std::holds_alternative<std::nullptr_t>(value_); }
  // Null: it is of another kind.
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  const JinjaList* list() const;
  JinjaMap* map() const;
  const JinjaNode* macro() const;
  const std::string* function_name() const;
  const std::string* undefined_name() const;

  // A number; True and False are 1 and 0, as in Python.
  bool is_number() const;
  int64_t number() const;

  bool truth() const;
  std::string kind() const;  // "a string", for messages

 private:
  Variant value_;
};

bool operator==(const JinjaValue& a, const JinjaValue& b);

}  // namespace anemone
