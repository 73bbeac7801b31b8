#include "anemone/data/jinja_functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "anemone/data/characters.h"

namespace anemone {
namespace {

[[noreturn]] void refuse(const std::string& message) { throw JinjaFailure(message); }

const std::string& text_of(const JinjaValue& value, std::string_view doing) {
  if (value.text() != nullptr) return *value.text();
  refuse(fmt::format("{} takes a string, not {}", doing, value.kind()));
}

// str.isspace() of Python.
bool is_python_space(char32_t point) {
  return is_white_space(point) || (point >= 0x1C && point <= 0x1F);
}

// str.strip() and its sides: white space, or the characters of `wanted`.
std::string strip(std::string_view text, const JinjaValue* wanted, bool left, bool right) {
  if (wanted != nullptr && wanted->is_none()) wanted = nullptr;
  const JinjaList set = wanted == nullptr ? JinjaList() : elements_of(*wanted);
  const auto goes = [&](const Character& character, std::string_view bytes) {
    if (wanted == nullptr) return is_python_space(character.point);
    return std::find(set.begin(), set.end(), JinjaValue(std::string(bytes))) != set.end();
  };
  while (left && !text.empty()) {
    const Character first = first_character(text);
    if (!goes(first, text.substr(0, first.bytes))) break;
    text.remove_prefix(first.bytes);
  }
  while (right && !text.empty()) {
    const Character last = last_character(text);
    if (!goes(last, text.substr(text.size() - last.bytes))) break;
    text.remove_suffix(last.bytes);
  }
  return std::string(text);
}

// str.upper(), lower() and title() of Python, of ASCII: other letters would need its tables.
std::string in_case(const std::string& text, const std::string& wanted) {
  if (!is_ascii(text)) refuse("the case of letters outside ASCII is not read");
  std::string changed = text;
  bool inside = false;  // a word
  for (char& c : changed) {
    const bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z';
    const bool wants_upper = wanted == "upper" || (wanted == "title" && !inside);
    if (wants_upper ? lower : upper) c = static_cast<char>(c ^ 0x20);
    inside = lower || upper;
  }
  return changed;
}

std::string replace_all(const std::string& text, const std::string& from, const std::string& to) {
  if (from.empty()) refuse("replace: the text to replace is empty");
  std::string result;
  size_t begin = 0;
  for (size_t at; (at = text.find(from, begin)) != std::string::npos; begin = at + from.size()) {
    result.append(text, begin, at - begin) += to;
  }
  return result.append(text, begin);
}

JinjaList split(const std::string& text, const std::string& separator, int64_t most) {
  if (separator.empty()) refuse("split: the separator is empty");
  JinjaList parts;
  size_t begin = 0;
  for (size_t at; most != 0 && (at = text.find(separator, begin)) != std::string::npos; --most) {
    parts.emplace_back(text.substr(begin, at - begin));
    begin = at + separator.size();
  }
  parts.emplace_back(text.substr(begin));
  return parts;
}

std::string join(const JinjaList& list, const std::string& between, const JinjaValue* attribute) {
  std::string text;
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) text += between;
    text += printed(attribute == nullptr ? list[i] : attribute_of(list[i], printed(*attribute)));
  }
  return text;
}

JinjaList pairs_of(const JinjaValue& value) {
  JinjaList pairs;
  if (value.is_undefined()) return pairs;
  if (value.map() == nullptr) refuse(fmt::format("items takes a dictionary, not {}", value.kind()));
  for (const auto& [key, item] : value.map()->entries) {
    pairs.emplace_back(JinjaList{JinjaValue(key), item});
  }
  return pairs;
}

// selectattr(attribute, test, argument), or with `attribute` empty select(test, argument).
JinjaValue selected(const JinjaValue& value, const JinjaArguments& arguments, bool by_attribute,
                    bool wanted) {
  const size_t test_at = by_attribute ? 1 : 0;
  const JinjaValue* test = arguments.find(test_at, "");
  JinjaArguments rest;
  for (size_t i = test_at + 1; i < arguments.values.size(); ++i) {
    rest.values.push_back(arguments.values[i]);
    rest.names.emplace_back();
  }
  JinjaList kept;
  for (const JinjaValue& element : elements_of(value)) {
    const JinjaValue tested = by_attribute ? attribute_of(element, arguments.text(0, "")) : element;
    const bool passes = test == nullptr ? tested.truth() : apply_test(printed(*test), tested, rest);
    if (passes == wanted) kept.push_back(element);
  }
  return JinjaValue(std::move(kept));
}

JinjaValue mapped(const JinjaValue& value, const JinjaArguments& arguments) {
  JinjaList results;
  const JinjaValue* attribute = arguments.find(arguments.values.size(), "attribute");
  for (const JinjaValue& element : elements_of(value)) {
    results.push_back(attribute != nullptr ? attribute_of(element, printed(*attribute))
                                           : apply_filter(arguments.text(0, ""), element, {}));
  }
  return JinjaValue(std::move(results));
}

JinjaValue end_of(const JinjaValue& value, bool first) {
  const JinjaList list = elements_of(value);
  if (list.empty()) return JinjaValue(JinjaUndefined{first ? "the first" : "the last"});
  return first ? list.front() : list.back();
}

JinjaValue defaulted(const JinjaValue& value, const JinjaArguments& arguments) {
  const JinjaValue* other = arguments.find(0, "default_value");
  const JinjaValue* falsy = arguments.find(1, "boolean");
  const bool takes = value.is_undefined() || (falsy != nullptr && falsy->truth() && !value.truth());
  if (!takes) return value;
  return other == nullptr ? JinjaValue(std::string()) : *other;
}

int64_t length_of(const JinjaValue& value) {
  return static_cast<int64_t>(elements_of(value).size());
}

bool begins_or_ends(const std::string& text, const JinjaValue& part, bool begins) {
  if (part.list() != nullptr) {
    return std::any_of(part.list()->begin(), part.list()->end(),
                       [&](const JinjaValue& one) { return begins_or_ends(text, one, begins); });
  }
  const std::string& wanted = text_of(part, begins ? "startswith" : "endswith");
  return begins ? text.starts_with(wanted) : text.ends_with(wanted);
}

JinjaValue text_method(const std::string& text, const std::string& name,
                       const JinjaArguments& arguments) {
  if (name == "strip") return JinjaValue(strip(text, arguments.find(0, ""), true, true));
  if (name == "lstrip") return JinjaValue(strip(text, arguments.find(0, ""), true, false));
  if (name == "rstrip") return JinjaValue(strip(text, arguments.find(0, ""), false, true));
  if ((name == "startswith" || name == "endswith") && arguments.values.size() == 1) {
    return JinjaValue(begins_or_ends(text, arguments.at(0, ""), name == "startswith"));
  }
  if (name == "upper" || name == "lower" || name == "title") return JinjaValue(in_case(text, name));
  if (name == "replace" && arguments.values.size() == 2) {
    return JinjaValue(replace_all(text, arguments.text(0, ""), arguments.text(1, "")));
  }
  if (name == "split" && !arguments.values.empty()) {
    const JinjaValue* most = arguments.find(1, "maxsplit");
    const int64_t count = most != nullptr && most->is_number() ? most->number() : -1;
    return JinjaValue(split(text, arguments.text(0, "sep"), count));
  }
  if (name == "join") return JinjaValue(join(elements_of(arguments.at(0, "")), text, nullptr));
  refuse(fmt::format("the method \"{}\" of strings is not read", name));
}

JinjaValue map_method(const JinjaValue& object, const std::string& name,
                      const JinjaArguments& arguments) {
  if (name == "items") return JinjaValue(pairs_of(object));
  if (name == "keys") return JinjaValue(elements_of(object));
  if (name == "get") {
    const JinjaValue* found = object.map()->find(arguments.text(0, ""));
    const JinjaValue* other = arguments.find(1, "");
    return found != nullptr ? *found : other != nullptr ? *other : JinjaValue::none();
  }
  refuse(fmt::format("the method \"{}\" of dictionaries is not read", name));
}

}  // namespace

const JinjaValue* JinjaArguments::find(size_t place, std::string_view name) const {
  for (size_t i = 0; i < values.size(); ++i) {
    if (names[i].empty() ? i == place : names[i] == name) return &values[i];
  }
  return nullptr;
}

const JinjaValue& JinjaArguments::at(size_t place, std::string_view name) const {
  const JinjaValue* found = find(place, name);
  if (found == nullptr) refuse("an argument is missing");
  return *found;
}

std::string JinjaArguments::text(size_t place, std::string_view name) const {
  return text_of(at(place, name), "the argument");
}

std::string printed(const JinjaValue& value) {
  if (value.text() != nullptr) return *value.text();
  if (value.is_undefined()) return "";
  if (value.is_none()) return "None";
  if (value.boolean() != nullptr) return *value.boolean() ? "True" : "False";
  if (value.is_number()) return std::to_string(value.number());
  refuse(fmt::format("{} is printed, which is not read", value.kind()));
}

JinjaList elements_of(const JinjaValue& value) {
  JinjaList elements;
  if (value.list() != nullptr) return *value.list();
  if (value.is_undefined()) return elements;
  if (value.map() != nullptr && !value.map()->is_namespace) {
    for (const auto& entry : value.map()->entries) elements.emplace_back(entry.first);
    return elements;
  }
  if (value.text() == nullptr) refuse(fmt::format("{} has no elements", value.kind()));
  std::string_view rest = *value.text();
  while (!rest.empty()) {
    const size_t bytes = first_character(rest).bytes;
    elements.emplace_back(std::string(rest.substr(0, bytes)));
    rest.remove_prefix(bytes);
  }
  return elements;
}

bool is_in(const JinjaValue& value, const JinjaValue& container) {
  if (container.text() != nullptr) {
    return container.text()->find(text_of(value, "\"in\" a string")) != std::string::npos;
  }
  if (container.map() != nullptr && (value.list() != nullptr || value.map() != nullptr)) {
    refuse(fmt::format("{} is no key", value.kind()));
  }
  const JinjaList elements = elements_of(container);
  return std::find(elements.begin(), elements.end(), value) != elements.end();
}

JinjaValue attribute_of(const JinjaValue& object, const std::string& name) {
  if (object.is_undefined()) {
    refuse(fmt::format("{} is undefined, and has no \"{}\"", *object.undefined_name(), name));
  }
  const JinjaValue* found = object.map() == nullptr ? nullptr : object.map()->find(name);
  return found != nullptr ? *found : JinjaValue(JinjaUndefined{fmt::format("\"{}\"", name)});
}

JinjaValue apply_filter(const std::string& name, const JinjaValue& value,
                        const JinjaArguments& arguments) {
  if (name == "trim") {
    return JinjaValue(strip(printed(value), arguments.find(0, "chars"), true, true));
  }
  if (name == "length" || name == "count") return JinjaValue(length_of(value));
  if (name == "default" || name == "d") return defaulted(value, arguments);
  if (name == "upper" || name == "lower") {
    return JinjaValue(in_case(printed(value), name));
  }
  if (name == "string") return JinjaValue(printed(value));
  if (name == "list") return JinjaValue(elements_of(value));
  if (name == "first" || name == "last") return end_of(value, name == "first");
  if (name == "items") return JinjaValue(pairs_of(value));
  if (name == "join") {
    const JinjaValue* between = arguments.find(0, "d");
    return JinjaValue(join(elements_of(value), between == nullptr ? "" : printed(*between),
                           arguments.find(1, "attribute")));
  }
  if (name == "replace" && arguments.values.size() == 2) {
    return JinjaValue(replace_all(printed(value), arguments.text(0, "s"), arguments.text(1, "")));
  }
  if (name == "map") return mapped(value, arguments);
  if (name == "selectattr" || name == "rejectattr") {
    return selected(value, arguments, /*by_attribute=*/true, name == "selectattr");
  }
  if (name == "select" || name == "reject") {
    return selected(value, arguments, /*by_attribute=*/false, name == "select");
  }
  refuse(fmt::format("the filter \"{}\" is not read", name));
}

bool apply_test(const std::string& name, const JinjaValue& value, const JinjaArguments& arguments) {
  const bool equal = name == "equalto" || name == "eq" || name == "==";
  const bool other = name == "ne" || name == "!=";
  if ((equal || other || name == "in") && arguments.values.size() == 1) {
    return name == "in" ? is_in(value, arguments.values[0])
                        : (value == arguments.values[0]) == equal;
  }
  if (!arguments.values.empty()) refuse(fmt::format("the test \"{}\" is not read so", name));
  const bool is_map = value.map() != nullptr && !value.map()->is_namespace;
  if (name == "defined") return !value.is_undefined();
  if (name == "undefined") return value.is_undefined();
  if (name == "none") return value.is_none();
  if (name == "string") return value.text() != nullptr;
  if (name == "mapping") return is_map;
  if (name == "boolean") return value.boolean() != nullptr;
  if (name == "true" || name == "false") {
    return value.boolean() != nullptr && *value.boolean() == (name == "true");
  }
  if (name == "number") return value.is_number();
  if (name == "integer") return value.is_number() && value.boolean() == nullptr;
  if (name == "iterable" || name == "sequence") {
    return value.text() != nullptr || value.list() != nullptr || is_map || value.is_undefined();
  }
  if ((name == "odd" || name == "even") && value.is_number()) {
    return (value.number() % 2 != 0) == (name == "odd");
  }
  refuse(fmt::format("the test \"{}\" of {} is not read", name, value.kind()));
}

JinjaValue call_method(const JinjaValue& object, const std::string& name,
                       const JinjaArguments& arguments) {
  if (object.text() != nullptr) return text_method(*object.text(), name, arguments);
  if (object.map() != nullptr && !object.map()->is_namespace) {
    return map_method(object, name, arguments);
  }
  if (object.is_undefined()) attribute_of(object, name);
  refuse(fmt::format("the method \"{}\" of {} is not read", name, object.kind()));
}

}  // namespace anemone
