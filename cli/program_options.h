// What verbs that take a program have in common: the file, the function, sizes that are open.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
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

// One function of a program without what is not valid in it (passes/set_aside.h), for verbs that
// say everything that is wrong. Weights are bound where their files are there.
struct LooseProgram {
  Function function;
  std::vector<Diagnostic> invalid;
};
LooseProgram load_loosely(const ProgramOptions& options);

// Binds the weights whose files are there. Throws what load_weights() throws, missing files aside.
void load_weights_that_are_there(ProgramSource& source);

nlohmann::json json_of(const Diagnostic& found);
// One line for each: "  model.mil:3:14: message; hint".
std::string lines_of(const std::vector<Diagnostic>& findings, const std::string& file);

}  // namespace anemone::cli
