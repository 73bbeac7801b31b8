#include "cli/numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace anemone::cli {
namespace {

// Digits before and behind the point, and the power of ten.
struct Decimal {
  bool negative = false;
  std::string whole, fraction;
  int exponent = 0;
};

std::string digits_at(const std::string& text, size_t& at) {
  const size_t first = at;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  return text.substr(first, at - first);
}

// Reads "e3", "E-03" at the end of the text.
std::optional<int> exponent_at(const std::string& text, size_t at) {
  if (at == text.size()) return 0;
  if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
  const char* first = text.data() + at + 1;
  const char* const end = text.data() + text.size();
  if (first < end && *first == '+') ++first;
  if (first < end && first[-1] == '+' && *first == '-') return std::nullopt;
  int exponent = 0;
  const auto [stop, error] = std::from_chars(first, end, exponent);
  if (error != std::errc() || stop != end) return std::nullopt;
  return exponent;
}

std::optional<Decimal> parse_decimal(const std::string& text) {
  Decimal decimal;
  size_t at = 0;
  decimal.negative = text.starts_with('-');
  if (decimal.negative) ++at;
  decimal.whole = digits_at(text, at);
  if (at < text.size() && text[at] == '.') decimal.fraction = digits_at(text, ++at);
  if (decimal.whole.empty() && decimal.fraction.empty()) return std::nullopt;
  const std::optional<int> exponent = exponent_at(text, at);
  if (!exponent) return std::nullopt;
  decimal.exponent = *exponent;
  return decimal;
}

constexpr int64_t kMostZeros = 40;  // more than any integer type has digits

template <typename Integer>
std::string fit(std::string& text) {
  const std::optional<std::string> digits = whole_number(text);
  if (!digits) return "'" + text + "' is no whole number in decimal digits";
  Integer value = 0;
  const char* const end = digits->data() + digits->size();
  const auto [stop, error] = std::from_chars(digits->data(), end, value);
  if (error != std::errc() || stop != end) return text + " is no whole number in range";
  text = *digits;
  return "";
}

std::string require_finite(std::string& text) {
  return is_finite_number(text) ? "" : "'" + text + "' is no finite number in decimal digits";
}

}  // namespace

std::optional<std::string> whole_number(const std::string& text) {
  const std::optional<Decimal> decimal = parse_decimal(text);
  if (!decimal) return std::nullopt;
  std::string digits = decimal->whole + decimal->fraction;
  int64_t zeros = int64_t{decimal->exponent} - static_cast<int64_t>(decimal->fraction.size());
  for (; zeros < 0 && digits.ends_with('0'); ++zeros) digits.pop_back();
  const size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return "0";
  if (zeros < 0) return std::nullopt;
  // What has more does not fit either way.
  const auto shown = static_cast<size_t>(std::min(zeros, kMostZeros));
  return (decimal->negative ? "-" : "") + digits.substr(first) + std::string(shown, '0');
}

bool is_finite_number(const std::string& text) {
  return parse_decimal(text) && std::isfinite(std::strtod(text.c_str(), nullptr));
}

void check_numbers(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    // "INT", or with what its checks say of it: "INT:INT in [3 - 10000]".
    const std::string name = option->get_type_name();
    const std::string type = name.substr(0, name.find(':'));
    // First of all checks, which then see the digits.
    if (type == "INT") option->transform(CLI::Validator(fit<int64_t>, ""));
    if (type == "UINT") option->transform(CLI::Validator(fit<uint64_t>, ""));
    if (type == "FLOAT") option->transform(CLI::Validator(require_finite, ""));
  }
  for (CLI::App* verb : app.get_subcommands({})) check_numbers(*verb);
}

}  // namespace anemone::cli
