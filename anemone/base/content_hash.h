// A hash that tells files apart.
#pragma once

#include <string>
#include <string_view>

namespace anemone {

// XXH3 of 128 bits in 32 hexadecimal digits, as `xxhsum -H2` prints it.
std::string content_hash(std::string_view content);

}  // namespace anemone
