// Programs from one form into another: MIL text, packages, compiled models.
#pragma once

#include <string>

#include "anemone/programs/program_source.h"

namespace anemone::cli {

// Whether `path` names or is a program rather than a model's weights.
bool is_program(const std::string& path);

// Throws Error for an `out` whose ending is no form of a program, for what is there already without
// `force`, and where it is `in`.
void check_program_output(const std::string& in, const std::string& out, bool force);

// Writes a program, whose weights are loaded, in the form that the ending of `out` says. Composite
// operations become MIL's.
void write_program(const std::string& out, ProgramSource& source);

// Writes the program of `in` as `out`, whose ending says the form: .mil, .mlpackage, .mlmodelc.
void convert_program(const std::string& in, const std::string& out, bool force);

}  // namespace anemone::cli
