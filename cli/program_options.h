// What verbs that take a program have in common: the file, the function, sizes that are open.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "anemone/programs/program_source.h"

namespace anemone::cli {

struct ProgramOptions {
  std::string file, function;
  std::vector<std::string> shapes;  // "x=1,8,64"

  void add_to(CLI::App& app);
  // Of --shape. Throws Error for what is no NAME=SIZE,SIZE,….
  InputShapes input_shapes() const;
};

// Opens the program and makes one function ready to compile: sizes decided, verified, weights bound
// (for `needs_weights` false those that are there). Prints what the package holds that is not kept.
ProgramSource load(const ProgramOptions& options, bool needs_weights = true);

}  // namespace anemone::cli
