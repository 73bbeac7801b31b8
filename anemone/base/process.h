// Starting this program anew in the same process.
#pragma once

#include <string>
#include <vector>

namespace anemone {

// Replaces the running program by itself with other arguments (without the program's name). Open
// files close, memory goes. Returns only by throwing Error(kIo).
[[noreturn]] void restart_program(const std::vector<std::string>& arguments);

}  // namespace anemone
