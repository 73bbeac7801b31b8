// Starting this program anew, and work in a process of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace anemone {

// Replaces the running program by itself with other arguments (without the program's name). Open
// files close, memory goes. Returns only by throwing Error(kIo).
[[noreturn]] void restart_program(const std::vector<std::string>& arguments);

// Runs `work` in a copy of this process and returns what it returns there; an Error that it throws
// is thrown here. For libraries that end the process they are in: where the copy ends before it
// has returned, throws Error(kInvalidInput) at `where` that says how. What it prints goes nowhere.
// The copy has the calling thread alone, and ends with this process (Linux).
std::string run_in_child(const std::string& where, const std::function<std::string()>& work);

}  // namespace anemone
