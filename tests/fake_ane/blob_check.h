// What BLOBFILE refers to, held against the published layout byte for byte; on purpose none of the
// code that writes and reads weight files elsewhere.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone::fake_ane {

// Throws Error for a reference that is not exactly right. Returns the files, relative to `folder`.
std::vector<std::string> check_blobs(const Program& program, const std::filesystem::path& folder);

}  // namespace anemone::fake_ane
