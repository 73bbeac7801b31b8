// Reads MIL text, in all dialects at once (docs/mil.md).
#pragma once

#include <string_view>

#include "anemone/ir/program.h"

namespace anemone {

// A whole program, or functions without the program around them (then the version is "1.3").
// Operations and values get their places in the text; types are those declared, unchecked. A name
// that is defined twice means its first definition; verify_structure reports it. Blobs are not
// loaded: their literals have a `blob` and no `tensor`.
// Throws Error(kInvalidInput) for the first thing that is wrong, with where() = "LINE:COLUMN" from
// 1, columns counted in characters: syntax, names that are not defined, values that do not fit
// their type. Time and memory stay proportional to the text.
Program parse_mil(std::string_view text);

}  // namespace anemone
