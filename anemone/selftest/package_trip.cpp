#include "anemone/selftest/package_trip.h"

#include <filesystem>

#include "anemone/base/clock.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/package/mlpackage.h"
#include "anemone/programs/program_source.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

double size_in_mb(const fs::path& folder) {
  uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return static_cast<double>(bytes) / (1 << 20);
}

}  // namespace

Function through_package(const Function& function, PackageTrip& trip) {
  const ScratchFolder scratch(temporary_root());
  const fs::path path = scratch.path() / "program.mlpackage";
  Program program;
  program.functions.push_back(function.clone());
  write_mlpackage(path, program, {});
  trip.package_mb = size_in_mb(path);
  const Stopwatch watch;
  ProgramSource source = load_program(path.string());
  trip.load_ms = watch.elapsed_ms();
  return std::move(source.program.functions.at(0));
}

}  // namespace anemone
