// Names of what is to be written: an ending promises a format.
#pragma once

#include <string>

namespace anemone::cli {

// Throws Error at `where` for a `path` that is to become a directory and has the ending of a file
// of some format (model.gguf, out.json): it would not be what it is called. `hint` says what to do.
void check_directory_name(const std::string& where, const std::string& path,
                          const std::string& hint);

}  // namespace anemone::cli
