#include "anemone/data/jinja_operators.h"

#include <fmt/format.h>

#include <algorithm>

namespace anemone {
namespace {

constexpr size_t kLongestText = size_t{1} << 24;  // bytes, or elements of a list
constexpr int64_t kLongestRange = 100'000;

std::string bounded(std::string text) {
  if (text.size() > kLongestText) throw JinjaFailure("a text grows without end");
  return text;
}

// Remainders have the sign of the divisor, as in Python.
int64_t arithmetic(const std::string& sign, int64_t a, int64_t b) {
  constexpr int64_t kMost = int64_t{1} << 31;
  if (a > kMost || a < -kMost || b > kMost || b < -kMost) throw JinjaFailure("a number too large");
  if (sign == "+") return a + b;
  if (sign == "-") return a - b;
  if (sign == "*") return a * b;
  if ((sign == "%" || sign == "//") && b != 0) {
    const int64_t remainder = (a % b + b) % b;
    return sign == "%" ? remainder : (a - remainder) / b;
  }
  throw JinjaFailure(fmt::format("{} {} {} is not read", a, sign, b));
}

}  // namespace

int64_t number_of(const JinjaValue& value, std::string_view doing) {
  if (value.is_number()) return value.number();
  throw JinjaFailure(fmt::format("\"{}\" takes a number, not {}", doing, value.kind()));
}

JinjaValue item_of(const JinjaValue& object, const JinjaValue& key) {
  if (key.text() != nullptr) return attribute_of(object, *key.text());
  if (object.is_undefined()) return attribute_of(object, printed(key));
  if (!key.is_number()) throw JinjaFailure(fmt::format("{} is no key", key.kind()));
  if (object.list() == nullptr && object.text() == nullptr) {
    return JinjaValue(JinjaUndefined{"an element of " + object.kind()});
  }
  const JinjaList list = elements_of(object);
  const auto count = static_cast<int64_t>(list.size());
  const int64_t index = key.number() < 0 ? key.number() + count : key.number();
  if (index >= 0 && index < count) return list[static_cast<size_t>(index)];
  return JinjaValue(JinjaUndefined{fmt::format("element {} of {}", key.number(), count)});
}

JinjaValue slice_of(const JinjaValue& object, std::optional<int64_t> begin,
                    std::optional<int64_t> end, int64_t stride) {
  if (object.list() == nullptr && object.text() == nullptr) {
    throw JinjaFailure(fmt::format("a part of {} is not read", object.kind()));
  }
  if (stride == 0) throw JinjaFailure("a step of 0");
  const JinjaList list = elements_of(object);
  const auto count = static_cast<int64_t>(list.size());
  const int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? count : count - 1;
  const auto placed = [&](std::optional<int64_t> place, int64_t absent) {
    if (!place) return absent;
    return std::clamp(*place < 0 ? *place + count : *place, low, high);
  };
  const int64_t last = placed(end, stride > 0 ? high : low);
  const int64_t step = std::clamp(stride, -count - 1, count + 1);
  JinjaList part;
  for (int64_t i = placed(begin, stride > 0 ? low : high); stride > 0 ? i < last : i > last;
       i += step) {
    part.push_back(list[static_cast<size_t>(i)]);
  }
  if (object.list() != nullptr) return JinjaValue(std::move(part));
  std::string text;
  for (const JinjaValue& character : part) text += *character.text();
  return JinjaValue(std::move(text));
}

JinjaValue joined_by(const std::string& sign, const JinjaValue& left, const JinjaValue& right) {
  if (sign == "~") return JinjaValue(bounded(printed(left) + printed(right)));
  if (sign == "+" && left.text() != nullptr && right.text() != nullptr) {
    return JinjaValue(bounded(*left.text() + *right.text()));
  }
  if (sign == "+" && left.list() != nullptr && right.list() != nullptr) {
    JinjaList list = *left.list();
    list.insert(list.end(), right.list()->begin(), right.list()->end());
    if (list.size() > kLongestText) throw JinjaFailure("a list grows without end");
    return JinjaValue(std::move(list));
  }
  if (!left.is_number() || !right.is_number()) {
    throw JinjaFailure(fmt::format("\"{}\" between {} and {}", sign, left.kind(), right.kind()));
  }
  return JinjaValue(arithmetic(sign, left.number(), right.number()));
}

bool compares(const std::string& sign, const JinjaValue& left, const JinjaValue& right) {
  if (sign == "==") return left == right;
  if (sign == "!=") return !(left == right);
  if (sign == "in") return is_in(left, right);
  if (sign == "not in") return !is_in(left, right);
  const bool texts = left.text() != nullptr && right.text() != nullptr;
  if (!texts && !(left.is_number() && right.is_number())) {
    throw JinjaFailure(fmt::format("\"{}\" between {} and {}", sign, left.kind(), right.kind()));
  }
  const bool less = texts ? *left.text() < *right.text() : left.number() < right.number();
  const bool more = texts ? *right.text() < *left.text() : right.number() < left.number();
  return sign == "<" ? less : sign == ">" ? more : sign == "<=" ? !more : !less;
}

JinjaValue range_of(const JinjaArguments& arguments) {
  const size_t count = arguments.values.size();
  if (count < 1 || count > 3) throw JinjaFailure("range takes one to three numbers");
  const auto at = [&](size_t i) { return number_of(arguments.values[i], "range"); };
  const int64_t begin = count == 1 ? 0 : at(0), end = at(count == 1 ? 0 : 1);
  const int64_t stride = count == 3 ? at(2) : 1;
  JinjaList list;
  if (stride == 0) throw JinjaFailure("range: a step of 0");
  for (int64_t i = begin; stride > 0 ? i < end : i > end; i += stride) {
    list.emplace_back(i);
    if (static_cast<int64_t>(list.size()) > kLongestRange) throw JinjaFailure("range: too long");
  }
  return JinjaValue(std::move(list));
}

std::string formatted_time(std::time_t now, const std::string& format) {
  if (format.empty()) return "";
  std::tm local{};
  localtime_r(&now, &local);
  std::string text(256, '\0');
  const size_t size = std::strftime(text.data(), text.size(), format.c_str(), &local);
  if (size == 0) throw JinjaFailure(fmt::format("strftime_now(\"{}\") is not read", format));
  text.resize(size);
  return text;
}

}  // namespace anemone
