// Filters, tests and methods of templates: the ones that public chat templates use on strings and
// messages, as Jinja and Python do them.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/data/jinja_value.h"

namespace anemone {

// What a function cannot do or is not read; the caller knows the line.
class JinjaFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct JinjaArguments {
  std::vector<JinjaValue> values;
  std::vector<std::string> names;  // of each; empty: it has none

  // The argument at a place, or of a name; null: it is not there.
  const JinjaValue* find(size_t place, std::string_view name) const;
  const JinjaValue& at(size_t place, std::string_view name) const;
  std::string text(size_t place, std::string_view name) const;
};

// All of them throw JinjaFailure for what they do not know, and for values of another kind.
JinjaValue apply_filter(const std::string& name, const JinjaValue& value,
                        const JinjaArguments& arguments);
bool apply_test(const std::string& name, const JinjaValue& value, const JinjaArguments& arguments);
JinjaValue call_method(const JinjaValue& object, const std::string& name,
                       const JinjaArguments& arguments);

// `object.name`; undefined where it has none.
JinjaValue attribute_of(const JinjaValue& object, const std::string& name);

// What a loop goes through: elements, keys, characters.
JinjaList elements_of(const JinjaValue& value);

// As printed.
std::string printed(const JinjaValue& value);

bool is_in(const JinjaValue& value, const JinjaValue& container);

}  // namespace anemone
