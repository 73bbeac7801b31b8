// JSON from files of unknown origin: parsed strictly, quoted briefly.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace anemone {

// Throws Error at `where` naming the byte for text that is not JSON, and for what the library would
// accept but we could not trust: a key that is there twice, or nesting deeper than 64.
nlohmann::json parse_strict_json(std::string_view text, const std::string& where);

// A value to quote in a message: itself when it is short and simple, else what kind it is.
std::string brief(const nlohmann::json& value);

}  // namespace anemone
