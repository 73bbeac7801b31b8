// Patterns of tokenizer.json, which are Oniguruma's, in the syntax of PCRE2.
#pragma once

#include <string>

#include "anemone/data/json_node.h"

namespace anemone {

// The pattern that means under PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE what `pattern`, a JSON
// string, means to Oniguruma: its own white space and word characters, `{1,3}+` as a repeat of a
// repeat, scripts without their extensions. Throws Error naming what has no counterpart.
std::string pcre2_pattern(const JsonNode& pattern);

}  // namespace anemone
