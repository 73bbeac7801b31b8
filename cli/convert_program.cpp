#include "cli/convert_program.h"

#include <algorithm>
#include <filesystem>

#include "anemone/base/file.h"
#include "anemone/package/load_weights.h"
#include "anemone/package/mlpackage.h"
#include "anemone/passes/passes.h"
#include "anemone/programs/flexible_text.h"
#include "anemone/text/printer.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace fs = std::filesystem;
namespace {

std::string ending_of(const std::string& path) {
  fs::path name = path;
  if (!name.has_filename()) name = name.parent_path();  // "net.mlpackage/"
  return name.extension().string();
}

// Composites become MIL, whose names have no dots. Open sizes are described by the text or by the
// package around the program.
void prepare(ProgramSource& source, bool as_text) {
  for (Function& function : source.program.functions) {
    decompose_composites(function);
    const FunctionInfo* known = source.info.find(function.name);
    set_flexible_inputs(function, known && as_text ? known->inputs : std::vector<Feature>());
  }
}

// FILE.mil with its weights beside it, as a folder or next to the file.
void write_text(const fs::path& file, Program& program) {
  BlobWriter weights;
  store_again(program, weights);
  if (weights.size() > 0) {
    fs::create_directories(file.parent_path() / "weights");
    weights.write(file.parent_path() / "weights" / "weight.bin");
  }
  write_file(file, print_mil(program) + "\n");
}

}  // namespace

bool is_program(const std::string& path) {
  const std::string ending = ending_of(path);
  return ending == ".mil" || ending == ".mlpackage" || ending == ".mlmodelc" ||
         ending == ".mlmodel";
}

void check_program_output(const std::string& in, const std::string& out, bool force) {
  refuse_same_file(in, out);
  const std::string ending = ending_of(out);
  if (ending != ".mil" && ending != ".mlpackage" && ending != ".mlmodelc") {
    fail(out, "a program is written as .mil, .mlpackage or .mlmodelc",
         "give the output one of these endings");
  }
  const fs::path weights = fs::path(out).parent_path() / "weights" / "weight.bin";
  for (const fs::path& taken : {fs::path(out), weights}) {
    const bool counts = taken == fs::path(out) || ending == ".mil";
    if (counts && fs::exists(taken) && !force) {
      fail(taken.string(), "it is there already", "--force writes over it");
    }
  }
}

void write_program(const std::string& out, ProgramSource& source) {
  const std::string ending = ending_of(out);
  prepare(source, ending != ".mlpackage");
  if (ending == ".mlpackage") {
    write_mlpackage(out, source.program, source.info);
  } else if (ending == ".mil") {
    write_text(fs::absolute(out), source.program);
  } else {
    replace_folder(out, [&](const fs::path& folder) {
      fs::create_directories(folder);
      write_text(folder / "model.mil", source.program);
    });
  }
}

void convert_program(const std::string& in, const std::string& out, bool force) {
  check_program_output(in, out, force);
  ProgramSource source = open_program(in);
  print_notes(source.info.losses);
  load_weights(source);
  for (const Function& function : source.program.functions) {
    const FunctionInfo* known = source.info.find(function.name);
    if (ending_of(out) == ".mlpackage" || !is_flexible(function) || known) continue;
    note(function.name + ": nothing says which sizes its open ones have; give --shape to run it");
  }
  write_program(out, source);
  size_t operations = 0;
  for (const Function& function : source.program.functions) {
    operations += function.operations.size();
  }
  print(fmt::format("{}: {} function{}, {} operations with constants\n", out,
                    source.program.functions.size(),
                    source.program.functions.size() == 1 ? "" : "s", operations));
}

}  // namespace anemone::cli
