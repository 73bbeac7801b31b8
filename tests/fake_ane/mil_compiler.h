// The compiler of the fake: takes what the real one takes, refuses what it refuses, and runs the
// result with the reference interpreter.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "anemone/ir/program.h"
#include "tests/fake_ane/world.h"

namespace anemone::fake_ane {

struct Port {
  std::string name;
  Type type;
};

// A program with its weights baked in.
struct CompiledProgram {
  explicit CompiledProgram(Program parsed) : program(std::move(parsed)) {}

  Program program;
  std::vector<Port> inputs, outputs;    // as declared
  std::vector<std::string> blob_files;  // below the folder
  bool fails_when_run = false;          // what some rules say of a program

  const Function& main() const { return program.functions.front(); }
};

// "@model_path/" in `text` stands for `folder`. Null, with world().refusal set, for what the
// compiler refuses; counts as a compilation.
std::shared_ptr<const CompiledProgram> compile_mil(const std::string& text,
                                                   const std::filesystem::path& folder);
// The same for what was compiled before: not counted.
std::shared_ptr<const CompiledProgram> load_mil(const std::string& text,
                                                const std::filesystem::path& folder);

// Memory of the ports in the order of `inputs` and `outputs`, packed from its start on.
void run_program(const CompiledProgram& program, const std::vector<const void*>& inputs,
                 const std::vector<void*>& outputs, How how);

// What the framework says of a refused program: always the same.
inline constexpr const char* kCompilerText = "ANECCompile() FAILED: err=(InvalidMILProgram)";

}  // namespace anemone::fake_ane
