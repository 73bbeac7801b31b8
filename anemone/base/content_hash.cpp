#include "anemone/base/content_hash.h"

#include <fmt/format.h>
#include <xxhash.h>

namespace anemone {

std::string content_hash(std::string_view content) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(content.data(), content.size()));
  std::string hex;
  for (const unsigned char byte : canonical.digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace anemone
