// What the signs and functions of templates do with values, as Python does.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "anemone/data/jinja_functions.h"
#include "anemone/data/jinja_value.h"

namespace anemone {

// All of them throw JinjaFailure for values of another kind, and for results without bounds.

// The number that "-" or another sign takes.
int64_t number_of(const JinjaValue& value, std::string_view sign);

// object[key]; undefined where there is none.
JinjaValue item_of(const JinjaValue& object, const JinjaValue& key);

// object[begin:end:stride], by Python's rules for what is absent, negative or outside.
JinjaValue slice_of(const JinjaValue& object, std::optional<int64_t> begin,
                    std::optional<int64_t> end, int64_t stride);

// left + right, and "-", "*", "//", "%", "~".
JinjaValue joined_by(const std::string& sign, const JinjaValue& left, const JinjaValue& right);

// left == right, and "!=", "<", "<=", ">", ">=", "in", "not in".
bool compares(const std::string& sign, const JinjaValue& left, const JinjaValue& right);

// range(end), range(begin, end), range(begin, end, step).
JinjaValue range_of(const JinjaArguments& arguments);

// Local time by a format of strftime.
std::string formatted_time(std::time_t now, const std::string& format);

}  // namespace anemone
