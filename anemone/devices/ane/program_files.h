// A program in the form in which the compiler of the Neural Engine takes it: MIL text and one
// weight file.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "anemone/ir/program.h"
#include "anemone/text/printer.h"

namespace anemone {

// What a program calls a port, and what the compiled one does: a00, a01, … for inputs and o00, …
// for results, so that every order in which they might be bound is the same (ane.c27).
struct AnePort {
  std::string name, compiled_name;
  Type type;
};

struct ProgramFiles {
  std::string mil_text;
  std::string weights;  // the weight file's bytes; empty for a program without
  std::vector<AnePort> inputs, outputs;

  // model.mil and weights/weights.bin in a folder that is there.
  void write(const std::filesystem::path& folder) const;
  static constexpr const char* kMilFile = "model.mil";
  static constexpr const char* kWeightsFile = "weights/weights.bin";
  // As BLOBFILE and the dictionary of weights name it.
  static constexpr const char* kWeightsName = "@model_path/weights/weights.bin";

  // Of everything that the compiled program depends on here.
  std::string hash() const;
};

// `function` is plain MIL with all its constants loaded. `scratch`: where the weight file may be
// written while it is made.
ProgramFiles make_program_files(const Function& function, Dialect dialect,
                                const std::filesystem::path& scratch);

}  // namespace anemone
