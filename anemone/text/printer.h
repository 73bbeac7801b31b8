// Writes programs as MIL text, laid out like Apple's compiler does it.
#pragma once

#include <optional>
#include <string>

#include "anemone/ir/program.h"

namespace anemone {

// What ANE compilers of different ages accept (docs/mil.md).
enum class Dialect : uint8_t {
  kA,  // program(1.3), bare scalars: macOS 15 on M4 and later
  kB,  // program(1.0), functions tagged ios16, scalars as tensor<int32, []>: M1 to M3
  kC,  // program(1.5) where there are weight files, otherwise 1.3 with functions tagged ios17: M5
};

struct PrintOptions {
  // Absent: the program as it is, with its own version, opsets and attributes; scalars are bare
  // unless the version is 1 or 1.0. Given: version, opsets, buildInfo and missing `name`
  // attributes as the dialect wants them, and only names that Core ML knows as names.
  std::optional<Dialect> dialect;
  // Literals in place of arguments become named constants; needs structurally valid functions.
  bool named_constants_only = false;
};

// parse_mil reads the text back as an equal program, NaN payloads apart. Without a line feed at the
// end. Throws Error(kInvalidInput) where a name cannot be written down.
std::string print_mil(const Program& program, const PrintOptions& options = {});

}  // namespace anemone
