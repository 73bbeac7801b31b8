// What a Jinja template prints.
#pragma once

#include <ctime>
#include <string>

#include "anemone/data/jinja_parser.h"
#include "anemone/data/jinja_value.h"

namespace anemone {

// Renders a tree of parse_jinja() with the names of `variables`, besides namespace, dict, range,
// raise_exception and strftime_now, which formats `now` as local time. Throws Error at `where`,
// naming the line: for what the template raises, for what is not read (rather than print something
// else than Jinja would), and where it goes on without end.
std::string render_jinja(const JinjaNode& tree, const JinjaMap& variables, std::time_t now,
                         const std::string& where);

}  // namespace anemone
