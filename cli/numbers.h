// Numbers on the command line: one way of writing them, for every flag of every verb.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace anemone::cli {

// The plain digits of a whole number in decimal: "010" is "10", "1e3" and "1000.0" are "1000".
// Nothing for any other text: fractions, "0x10", "1'000", "+5", blanks.
std::optional<std::string> whole_number(const std::string& text);

// Whether the text is a decimal number with a finite value. "nan", "inf" and "0x1p3" are not.
bool is_finite_number(const std::string& text);

// Makes every numeric flag of `app` and its verbs take these numbers only. CLI11 itself reads 010
// as octal, takes the nearest number for one that does not fit, and compares with nan.
void check_numbers(CLI::App& app);

}  // namespace anemone::cli
