// Programs from one form into another: MIL text, packages, compiled models.
#pragma once

#include <string>

#include "anemone/package/model_info.h"

namespace anemone::cli {

// Whether `path` names or is a program rather than a model's weights.
bool is_program(const std::string& path);

// Throws Error for an `out` that has no ending of a program, is `in`, or is there without `force`.
void check_program_output(const std::string& in, const std::string& out, bool force);

// Writes a program whose weights are loaded as `out`, whose ending says the form.
void write_program(const std::string& out, Program& program, const ModelInfo& info);

// Writes the program of `in` as `out`, whose ending says the form: .mil, .mlpackage, .mlmodelc.
void convert_program(const std::string& in, const std::string& out, bool force);

}  // namespace anemone::cli
