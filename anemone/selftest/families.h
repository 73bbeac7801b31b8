// The questions by family, one file each.
#pragma once

#include "anemone/selftest/selftest.h"

namespace anemone {

std::span<const Selftest> published_selftests();  // the names of the published suite
std::span<const Selftest> engine_selftests();     // what the rules and numerics say
std::span<const Selftest> hardware_selftests();  // of the published, what hardware alone can answer

}  // namespace anemone
