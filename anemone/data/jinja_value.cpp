#include "anemone/data/jinja_value.h"

#include <algorithm>

namespace anemone {

const JinjaValue* JinjaMap::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == entries.end() ? nullptr : &found->second;
}

void JinjaMap::set(std::string_view key, JinjaValue value) {
  for (auto& [name, old] : entries) {
    if (name != key) continue;
    old = std::move(value);
    return;
  }
  entries.emplace_back(key, std::move(value));
}

const JinjaList* JinjaValue::list() const {
  const auto* list = std::get_if<std::shared_ptr<const JinjaList>>(&value_);
  return list == nullptr ? nullptr : list->get();
}

JinjaMap* JinjaValue::map() const {
  const auto* map = std::get_if<std::shared_ptr<JinjaMap>>(&value_);
  return map == nullptr ? nullptr : map->get();
}

const JinjaNode* JinjaValue::macro() const {
  const auto* macro = std::get_if<const JinjaNode*>(&value_);
  return macro == nullptr ? nullptr : *macro;
}

const std::string* JinjaValue::function_name() const {
  const auto* function = std::get_if<JinjaFunction>(&value_);
  return function == nullptr ? nullptr : &function->name;
}

const std::string* JinjaValue::undefined_name() const {
  const auto* undefined = std::get_if<JinjaUndefined>(&value_);
  return undefined == nullptr ? nullptr : &undefined->name;
}

bool JinjaValue::is_number() const {
  return boolean() != nullptr || std::holds_alternative<int64_t>(value_);
}

int64_t JinjaValue::number() const {
  return boolean() != nullptr ? static_cast<int64_t>(*boolean()) : std::get<int64_t>(value_);
}

bool JinjaValue::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_number()) return number() != 0;
  if (text() != nullptr) return !text()->empty();
  if (list() != nullptr) return !list()->empty();
  // A namespace is an object of Python without a length: always true.
  return map() == nullptr || map()->is_namespace || !map()->entries.empty();
}

std::string JinjaValue::kind() const {
  if (is_undefined()) return "an undefined value";
  if (is_none()) return "none";
  if (boolean() != nullptr) return "true or false";
  if (is_number()) return "a number";
  if (text() != nullptr) return "a string";
  if (list() != nullptr) return "a list";
  return map() != nullptr ? "a dictionary" : "a function";
}

bool operator==(const JinjaValue& a, const JinjaValue& b) {
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.text() != nullptr && b.text() != nullptr) return *a.text() == *b.text();
  if (a.list() != nullptr && b.list() != nullptr) return *a.list() == *b.list();
  if (a.map() != nullptr && b.map() != nullptr) {
    const auto& entries = a.map()->entries;
    return entries.size() == b.map()->entries.size() &&
           std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
             const JinjaValue* other = b.map()->find(entry.first);
             return other != nullptr && entry.second == *other;
           });
  }
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined()) ||
         (a.macro() != nullptr && a.macro() == b.macro());
}

}  // namespace anemone
