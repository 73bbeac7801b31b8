#include "anemone/devices/ane/program_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/file.h"
#include "anemone/package/load_weights.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

// Sorts the ports by name and gives them their numbers.
std::vector<AnePort> rename_ports(Function& function, std::vector<Value>& values, char letter) {
  std::sort(values.begin(), values.end(), [](Value a, Value b) { return a->name < b->name; });
  std::vector<AnePort> ports;
  for (Value value : values) {
    AnePort port{value->name, fmt::format("{}{:02}", letter, ports.size()), value->type};
    if (const Value taken = function.find(port.compiled_name); taken && taken != value) {
      function.rename(taken, function.fresh_name(port.compiled_name + "_"));
    }
    function.rename(value, port.compiled_name);
    ports.push_back(std::move(port));
  }
  return ports;
}

// FNV-1a in two lanes of 64 bits: enough to tell programs apart, nobody attacks their own cache.
std::string digest(std::initializer_list<const std::string*> parts) {
  uint64_t a = 0xcbf29ce484222325, b = 0x9ae16a3b2f90404f;
  for (const std::string* part : parts) {
    for (const char c : *part) {
      a = (a ^ static_cast<uint8_t>(c)) * 0x100000001b3;
      b = (b ^ static_cast<uint8_t>(c)) * 0x00000100000001b3 + (a >> 29);
    }
    a = (a ^ part->size()) * 0x100000001b3;
  }
  return fmt::format("{:016x}{:016x}", a, b);
}

}  // namespace

void ProgramFiles::write(const fs::path& folder) const {
  write_file(folder / kMilFile, mil_text);
  if (weights.empty()) return;
  fs::create_directories((folder / kWeightsFile).parent_path());
  write_file(folder / kWeightsFile, weights);
}

std::string ProgramFiles::hash() const { return digest({&mil_text, &weights}); }

ProgramFiles make_program_files(const Function& function, Dialect dialect,
                                const fs::path& scratch) {
  ProgramFiles files;
  Program program;
  program.functions.push_back(function.clone());
  Function& main = program.functions.back();
  main.name = "main";
  main.opset = "ios18";  // whatever a file said; some dialects have another one
  files.inputs = rename_ports(main, main.inputs, 'a');
  files.outputs = rename_ports(main, main.outputs, 'o');
  BlobWriter blobs;
  if (externalize_constants(program, blobs, {.path_in_program = ProgramFiles::kWeightsName}) > 0) {
    const fs::path path = scratch / "weights.bin";
    blobs.write(path);
    files.weights = read_file(path);
    fs::remove(path);
  }
  files.mil_text = print_mil(program, {.dialect = dialect, .named_constants_only = true}) + "\n";
  return files;
}

}  // namespace anemone
