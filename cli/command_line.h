// The command line before it is parsed, and what is said where it cannot be.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace anemone::cli {

// The arguments as `app` parses them: other programs' names of flags and verbs become its own,
// `help VERB` becomes `VERB --help`, `version` becomes `--version`, and the empty value of
// `--flag=` becomes a value. Values of flags stay as they are, whatever they look like.
std::vector<std::string> canonical_arguments(const CLI::App& app,
                                             const std::vector<std::string>& given);

// One line about a command line that `app` refused: what it is, what was probably meant, and which
// help knows more.
std::string describe(const CLI::App& app, const CLI::ParseError& error);

// Whether help was asked for of a verb that is none: "help trian".
bool is_help_of_unknown_verb(const CLI::App& app);

}  // namespace anemone::cli
