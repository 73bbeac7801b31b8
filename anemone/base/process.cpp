#include "anemone/base/process.h"

#include <unistd.h>

#include <cerrno>

#include "anemone/base/error.h"

#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

namespace anemone {
namespace {

// The file that is running, whatever name it was called by.
std::string program_path() {
#ifdef __APPLE__
  uint32_t size = 0;
  _NSGetExecutablePath(nullptr, &size);
  std::string path(size, '\0');
  _NSGetExecutablePath(path.data(), &size);
  return path.c_str();
#else
  return "/proc/self/exe";
#endif
}

}  // namespace

void restart_program(const std::vector<std::string>& arguments) {
  std::string path = program_path(), name = "anemone";
  std::vector<std::string> copies = arguments;
  std::vector<char*> argv = {name.data()};
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(path.c_str(), argv.data());
  fail_io(path, "start again", errno);
}

}  // namespace anemone
