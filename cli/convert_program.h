// Programs from one form into another: MIL text, packages, compiled models.
#pragma once

#include <string>

namespace anemone::cli {

// Whether `path` names or is a program rather than a model's weights.
bool is_program(const std::string& path);

// Writes the program of `in` as `out`, whose ending says the form: .mil, .mlpackage, .mlmodelc.
void convert_program(const std::string& in, const std::string& out, bool force);

}  // namespace anemone::cli
