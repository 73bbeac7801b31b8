// Finds what somebody probably meant by a misspelled name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anemone {

// "did you mean 'x'?" with the candidate that is the fewest edits away, or "" if none is close.
std::string suggest(std::string_view name, const std::vector<std::string_view>& candidates);

}  // namespace anemone
