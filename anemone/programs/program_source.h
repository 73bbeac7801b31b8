// Programs from wherever they are: MIL text, packages, compiled models. The one way in, for the
// command line, the C interface and tests.
#pragma once

#include <filesystem>
#include <string>

#include "anemone/base/error.h"
#include "anemone/package/model_info.h"
#include "anemone/passes/specialize_shapes.h"

namespace anemone {

// "model.mil:3:14", or "Net.mlpackage: input 'x'".
inline std::string place_in(const std::string& file, const std::string& where) {
  if (where.empty()) return file;
  const bool is_line = where[0] >= '0' && where[0] <= '9';
  return file + (is_line ? ":" : ": ") + where;
}

// Runs `action` and makes places in a program, of the errors that it throws, places in its file.
template <typename Action>
auto in_file(const std::string& file, Action&& action) {
  try {
    return action();
  } catch (const Error& error) {
    if (error.where().starts_with(file)) throw;
    throw Error(error.code(), place_in(file, error.where()), error.message(), error.hint());
  }
}

struct ProgramSource {
  enum class Kind : uint8_t { kText, kPackage, kCompiled, kModelFile };

  Kind kind = Kind::kText;
  std::string path;  // as it was given: what messages name
  Program program;
  ModelInfo info;                // of text: what it says of open sizes
  std::filesystem::path folder;  // what "@model_path" stands for

  // The function to take where none is named: the description's, or the only one, or "main".
  Function& function(const std::string& name = "");
};

// Opens FILE.mil, a .mlpackage or .mlmodelc folder, or a .mlmodel file of an ML program, told apart
// by what they hold. Weights stay references, and nothing is verified but what parsing does. Every
// place in an error begins with the file.
ProgramSource open_program(const std::string& path);

// Maps the weight files that the program refers to.
void load_weights(ProgramSource& source);

// The shapes that the inputs of one function get: `shapes` as given, else the description's
// defaults. Inputs of known sizes and those that nothing decides are not among them. Throws
// Error(kInvalidInput) for a shape that the description does not allow.
InputShapes shapes_for(const ProgramSource& source, const Function& function,
                       const InputShapes& shapes);

// Decides the open sizes of one function: `shapes` as given, else the description's defaults.
void decide_shapes(ProgramSource& source, Function& function, const InputShapes& shapes);

// Throws the first finding of a function (and where the others are), each place with the file.
void require_valid(const ProgramSource& source, const Function& function);

// open_program, and all of its functions are ready to compile: sizes decided, verified, weights
// bound.
ProgramSource load_program(const std::string& path, const InputShapes& shapes = {});

}  // namespace anemone
